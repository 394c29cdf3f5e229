-- Told before the clock was put back, heard again after it: that is before it was told, and still true.

alter table alerts.blindness drop constraint blindness_check;
