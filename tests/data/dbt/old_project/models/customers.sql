select 1 as customer_id, 'AT' as country_code
