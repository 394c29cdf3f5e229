-- name: hasten
-- Notify says that a text's status has changed ($1 its id): whoever sends asks what it is now instead of in a while.
with hastened as (
    update alerts.delivery set due_at = $2
    where provider_reference = $1 and kind = 'sms' and state = 'pending' and due_at > $2
    returning delivery_id
)
select count(*) as hastened, chassis.hint('delivery', '') from hastened having count(*) > 0;
