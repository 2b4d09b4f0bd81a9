{{ config(materialized='view', alias='revenue_by_month') }}
select date_trunc('month', placed_on) as month, count(*) as orders from {{ ref('orders') }} group by 1
