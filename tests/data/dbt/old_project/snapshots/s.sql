{% snapshot customers_over_time %}
{{ config(target_schema='main', unique_key='customer_id', strategy='check', check_cols=['country_code']) }}
select * from {{ ref('customers') }}
{% endsnapshot %}
