-- What fewer devices are heard of than should be may be a cell, a network, a postcode district or a firmware, too.
alter table alerts.degraded_hearing
    drop constraint degraded_hearing_attribute_check,
    add constraint degraded_hearing_attribute_check check (attribute in
        ('shard', 'sim_operator', 'cell', 'network', 'council', 'postcode_district', 'firmware', 'model'));
