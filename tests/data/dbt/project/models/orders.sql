select 1 as order_id, 1 as customer_id, date '2025-01-01' as placed_on
