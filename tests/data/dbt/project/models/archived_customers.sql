{{ config(schema='archive', alias='customers') }}
select * from {{ ref('customers') }} where false
