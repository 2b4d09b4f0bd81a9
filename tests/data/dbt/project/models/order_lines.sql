select 1 as order_id, 1 as line_no, 'espresso' as coffee, 3 as bags
