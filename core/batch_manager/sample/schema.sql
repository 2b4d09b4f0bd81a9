-- The database of Harrow & Finch, a fictional wholesaler of espresso machines, grinders,
-- spare parts and roasted coffee to cafes, hotels and offices. Amounts are in euros unless a
-- currency column stands beside them. Structure only: no rows.

-- Identity and access -------------------------------------------------------------------------

CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    login_name VARCHAR(64) NOT NULL UNIQUE,
    email VARCHAR(254) NOT NULL,
    password_hash VARCHAR(255),
    employee_id INTEGER UNIQUE,
    is_service_account BOOLEAN NOT NULL DEFAULT 0,
    status VARCHAR(12) NOT NULL DEFAULT 'active' CHECK (status IN ('invited', 'active', 'locked', 'closed')),
    last_login_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    CONSTRAINT users_employees_fk FOREIGN KEY (employee_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE roles (
    role_id INTEGER PRIMARY KEY,
    code VARCHAR(40) NOT NULL UNIQUE,
    title VARCHAR(100) NOT NULL,
    is_sensitive BOOLEAN NOT NULL DEFAULT 0
);

CREATE TABLE permissions (
    permission_code VARCHAR(80) PRIMARY KEY,
    module VARCHAR(40) NOT NULL,
    description VARCHAR(200) NOT NULL
);

CREATE TABLE user_roles (
    user_id INTEGER NOT NULL,
    role_id INTEGER NOT NULL,
    granted_at TIMESTAMP NOT NULL,
    expires_on DATE,
    PRIMARY KEY (user_id, role_id),
    CONSTRAINT user_roles_users_fk FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE CASCADE,
    CONSTRAINT user_roles_roles_fk FOREIGN KEY (role_id) REFERENCES roles (role_id) ON DELETE RESTRICT
);

CREATE TABLE role_permissions (
    role_id INTEGER NOT NULL,
    permission_code VARCHAR(80) NOT NULL,
    PRIMARY KEY (role_id, permission_code),
    CONSTRAINT role_permissions_roles_fk FOREIGN KEY (role_id) REFERENCES roles (role_id) ON DELETE CASCADE,
    CONSTRAINT role_permissions_permissions_fk FOREIGN KEY (permission_code) REFERENCES permissions (permission_code) ON DELETE CASCADE
);

CREATE TABLE login_attempts (
    attempt_id INTEGER PRIMARY KEY,
    user_id INTEGER,
    login_name_typed VARCHAR(254) NOT NULL,
    attempted_at TIMESTAMP NOT NULL,
    ip_address VARCHAR(45) NOT NULL,
    outcome VARCHAR(16) NOT NULL CHECK (outcome IN ('ok', 'bad_password', 'bad_code', 'locked', 'unknown_user')),
    CONSTRAINT login_attempts_users_fk FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE SET NULL
);

-- Customers -----------------------------------------------------------------------------------

CREATE TABLE credit_terms (
    credit_terms_id INTEGER PRIMARY KEY,
    code VARCHAR(20) NOT NULL UNIQUE,
    net_days INTEGER NOT NULL,
    discount_percent DECIMAL(5, 2) NOT NULL DEFAULT 0,
    discount_days INTEGER NOT NULL DEFAULT 0,
    requires_prepayment BOOLEAN NOT NULL DEFAULT 0,
    retired_on DATE
);

CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY,
    customer_no VARCHAR(12) NOT NULL UNIQUE,
    legal_name VARCHAR(160) NOT NULL,
    trading_name VARCHAR(160),
    vat_number VARCHAR(20),
    segment VARCHAR(12) NOT NULL CHECK (segment IN ('cafe', 'hotel', 'office', 'roaster', 'reseller')),
    parent_customer_id INTEGER,
    credit_terms_id INTEGER NOT NULL,
    credit_limit DECIMAL(12, 2) NOT NULL DEFAULT 0,
    price_list_id INTEGER,
    account_manager_id INTEGER,
    status VARCHAR(12) NOT NULL CHECK (status IN ('prospect', 'active', 'blocked', 'closed')),
    created_at TIMESTAMP NOT NULL,
    CONSTRAINT customers_parent_fk FOREIGN KEY (parent_customer_id) REFERENCES customers (customer_id) ON DELETE SET NULL,
    CONSTRAINT customers_credit_terms_fk FOREIGN KEY (credit_terms_id) REFERENCES credit_terms (credit_terms_id) ON DELETE RESTRICT,
    CONSTRAINT customers_price_lists_fk FOREIGN KEY (price_list_id) REFERENCES price_lists (price_list_id) ON DELETE SET NULL,
    CONSTRAINT customers_account_manager_fk FOREIGN KEY (account_manager_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE customer_addresses (
    address_id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    kind VARCHAR(10) NOT NULL CHECK (kind IN ('billing', 'delivery', 'both')),
    line1 VARCHAR(120) NOT NULL,
    line2 VARCHAR(120),
    postal_code VARCHAR(12) NOT NULL,
    city VARCHAR(80) NOT NULL,
    country_code CHAR(2) NOT NULL,
    delivery_hint VARCHAR(240),
    valid_to DATE,
    CONSTRAINT customer_addresses_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE CASCADE
);

CREATE TABLE contacts (
    contact_id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    full_name VARCHAR(120) NOT NULL,
    job_title VARCHAR(80),
    email VARCHAR(254),
    phone VARCHAR(32),
    marketing_consent BOOLEAN NOT NULL DEFAULT 0,
    left_company_on DATE,
    CONSTRAINT contacts_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE CASCADE
);

CREATE TABLE opportunities (
    opportunity_id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    owner_id INTEGER,
    title VARCHAR(160) NOT NULL,
    stage VARCHAR(12) NOT NULL CHECK (stage IN ('lead', 'demo', 'quote', 'won', 'lost')),
    expected_value DECIMAL(12, 2),
    expected_close_on DATE,
    lost_reason VARCHAR(80),
    CONSTRAINT opportunities_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE CASCADE,
    CONSTRAINT opportunities_owner_fk FOREIGN KEY (owner_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE cust_xref_as4 (
    kdnr CHAR(7) NOT NULL,
    fil CHAR(2) NOT NULL,
    customer_id INTEGER NOT NULL,
    mgkz CHAR(1) NOT NULL DEFAULT 'A',
    PRIMARY KEY (kdnr, fil),
    CONSTRAINT cust_xref_as4_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE RESTRICT
);

-- Catalogue -----------------------------------------------------------------------------------

CREATE TABLE categories (
    category_id INTEGER PRIMARY KEY,
    parent_id INTEGER,
    name VARCHAR(80) NOT NULL,
    slug VARCHAR(80) NOT NULL UNIQUE,
    sort_order INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT categories_parent_fk FOREIGN KEY (parent_id) REFERENCES categories (category_id) ON DELETE RESTRICT
);

CREATE TABLE products (
    product_id INTEGER PRIMARY KEY,
    category_id INTEGER NOT NULL,
    brand VARCHAR(80) NOT NULL,
    name VARCHAR(160) NOT NULL,
    description TEXT,
    warranty_months INTEGER NOT NULL DEFAULT 24,
    is_perishable BOOLEAN NOT NULL DEFAULT 0,
    status VARCHAR(14) NOT NULL CHECK (status IN ('draft', 'listed', 'discontinued')),
    CONSTRAINT products_categories_fk FOREIGN KEY (category_id) REFERENCES categories (category_id) ON DELETE RESTRICT
);

CREATE TABLE product_variants (
    variant_id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL,
    sku VARCHAR(24) NOT NULL UNIQUE,
    ean CHAR(13),
    option_label VARCHAR(80),
    weight_grams INTEGER,
    vat_code VARCHAR(4) NOT NULL,
    standard_cost DECIMAL(12, 4),
    CONSTRAINT product_variants_products_fk FOREIGN KEY (product_id) REFERENCES products (product_id) ON DELETE CASCADE
);

CREATE TABLE price_lists (
    price_list_id INTEGER PRIMARY KEY,
    code VARCHAR(20) NOT NULL UNIQUE,
    currency CHAR(3) NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE
);

CREATE TABLE price_list_items (
    price_list_id INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    min_quantity INTEGER NOT NULL DEFAULT 1,
    unit_price DECIMAL(12, 4) NOT NULL,
    PRIMARY KEY (price_list_id, variant_id, min_quantity),
    CONSTRAINT price_list_items_price_lists_fk FOREIGN KEY (price_list_id) REFERENCES price_lists (price_list_id) ON DELETE CASCADE,
    CONSTRAINT price_list_items_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE CASCADE
);

-- Inventory and warehouses --------------------------------------------------------------------

CREATE TABLE warehouses (
    warehouse_id INTEGER PRIMARY KEY,
    code CHAR(3) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    country_code CHAR(2) NOT NULL,
    kind VARCHAR(12) NOT NULL CHECK (kind IN ('own', 'partner', 'van')),
    closed_on DATE
);

CREATE TABLE storage_bins (
    bin_id INTEGER PRIMARY KEY,
    warehouse_id INTEGER NOT NULL,
    bin_code VARCHAR(12) NOT NULL,
    zone VARCHAR(12) NOT NULL CHECK (zone IN ('pick', 'bulk', 'roast', 'quarantine')),
    max_weight_kg DECIMAL(8, 2),
    UNIQUE (warehouse_id, bin_code),
    CONSTRAINT storage_bins_warehouses_fk FOREIGN KEY (warehouse_id) REFERENCES warehouses (warehouse_id) ON DELETE CASCADE
);

CREATE TABLE stock_levels (
    warehouse_id INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    quantity_on_hand INTEGER NOT NULL DEFAULT 0,
    quantity_reserved INTEGER NOT NULL DEFAULT 0,
    reorder_point INTEGER,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (warehouse_id, variant_id),
    CONSTRAINT stock_levels_warehouses_fk FOREIGN KEY (warehouse_id) REFERENCES warehouses (warehouse_id) ON DELETE RESTRICT,
    CONSTRAINT stock_levels_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE RESTRICT
);

CREATE TABLE stock_movements (
    movement_id INTEGER PRIMARY KEY,
    variant_id INTEGER NOT NULL,
    bin_id INTEGER NOT NULL,
    moved_at TIMESTAMP NOT NULL,
    quantity INTEGER NOT NULL,
    reason VARCHAR(12) NOT NULL CHECK (reason IN ('receipt', 'pick', 'transfer', 'return', 'count', 'scrap')),
    source_document VARCHAR(32),
    batch_no VARCHAR(20),
    CONSTRAINT stock_movements_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE RESTRICT,
    CONSTRAINT stock_movements_storage_bins_fk FOREIGN KEY (bin_id) REFERENCES storage_bins (bin_id) ON DELETE RESTRICT
);

CREATE TABLE stock_counts (
    count_id INTEGER PRIMARY KEY,
    bin_id INTEGER NOT NULL,
    counted_by INTEGER,
    counted_at TIMESTAMP NOT NULL,
    expected_quantity INTEGER NOT NULL,
    counted_quantity INTEGER NOT NULL,
    accepted BOOLEAN,
    CONSTRAINT stock_counts_storage_bins_fk FOREIGN KEY (bin_id) REFERENCES storage_bins (bin_id) ON DELETE CASCADE,
    CONSTRAINT stock_counts_employees_fk FOREIGN KEY (counted_by) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE inv_mv_arc (
    mvdat CHAR(8) NOT NULL,
    mvseq INTEGER NOT NULL,
    artnr CHAR(10) NOT NULL,
    lagpl CHAR(6),
    mvart CHAR(2) NOT NULL,
    mng DECIMAL(11, 3) NOT NULL,
    PRIMARY KEY (mvdat, mvseq)
);

-- Orders and fulfilment -----------------------------------------------------------------------

CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY,
    order_no VARCHAR(14) NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL,
    ship_to_address_id INTEGER,
    campaign_id INTEGER,
    channel VARCHAR(8) NOT NULL CHECK (channel IN ('web', 'phone', 'rep', 'edi')),
    status VARCHAR(12) NOT NULL CHECK (status IN ('draft', 'confirmed', 'on_hold', 'picking', 'shipped', 'cancelled')),
    ordered_at TIMESTAMP NOT NULL,
    requested_on DATE,
    currency CHAR(3) NOT NULL DEFAULT 'EUR',
    total_net DECIMAL(12, 2) NOT NULL,
    CONSTRAINT orders_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE RESTRICT,
    CONSTRAINT orders_ship_to_fk FOREIGN KEY (ship_to_address_id) REFERENCES customer_addresses (address_id) ON DELETE SET NULL,
    CONSTRAINT orders_campaigns_fk FOREIGN KEY (campaign_id) REFERENCES campaigns (campaign_id) ON DELETE SET NULL
);

CREATE TABLE order_lines (
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    quantity_shipped INTEGER NOT NULL DEFAULT 0,
    unit_price DECIMAL(12, 4) NOT NULL,
    discount_percent DECIMAL(5, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, line_no),
    CONSTRAINT order_lines_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE CASCADE,
    CONSTRAINT order_lines_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE RESTRICT
);

CREATE TABLE order_status_history (
    order_id INTEGER NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    old_status VARCHAR(12),
    new_status VARCHAR(12) NOT NULL,
    changed_by INTEGER,
    hold_reason VARCHAR(80),
    PRIMARY KEY (order_id, changed_at),
    CONSTRAINT order_status_history_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE CASCADE,
    CONSTRAINT order_status_history_users_fk FOREIGN KEY (changed_by) REFERENCES users (user_id) ON DELETE SET NULL
);

CREATE TABLE stock_reservations (
    reservation_id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    warehouse_id INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    expires_at TIMESTAMP,
    CONSTRAINT stock_reservations_order_lines_fk FOREIGN KEY (order_id, line_no) REFERENCES order_lines (order_id, line_no) ON DELETE CASCADE,
    CONSTRAINT stock_reservations_stock_levels_fk FOREIGN KEY (warehouse_id, variant_id) REFERENCES stock_levels (warehouse_id, variant_id) ON DELETE RESTRICT
);

CREATE TABLE pick_lists (
    pick_list_id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    warehouse_id INTEGER NOT NULL,
    picker_id INTEGER,
    status VARCHAR(10) NOT NULL CHECK (status IN ('printed', 'started', 'done', 'short', 'void')),
    printed_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    CONSTRAINT pick_lists_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE CASCADE,
    CONSTRAINT pick_lists_warehouses_fk FOREIGN KEY (warehouse_id) REFERENCES warehouses (warehouse_id) ON DELETE RESTRICT,
    CONSTRAINT pick_lists_picker_fk FOREIGN KEY (picker_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE ord_hdr_hist (
    aufnr CHAR(8) PRIMARY KEY,
    kdnr CHAR(7) NOT NULL,
    fil CHAR(2) NOT NULL,
    aufdat CHAR(8) NOT NULL,
    stat CHAR(1) NOT NULL,
    netwrt DECIMAL(11, 2) NOT NULL,
    whg CHAR(3) NOT NULL DEFAULT 'EUR'
);

-- Shipping ------------------------------------------------------------------------------------

CREATE TABLE carriers (
    carrier_id INTEGER PRIMARY KEY,
    name VARCHAR(80) NOT NULL,
    service_level VARCHAR(12) NOT NULL CHECK (service_level IN ('parcel', 'pallet', 'express', 'own_van')),
    max_weight_kg DECIMAL(8, 2),
    tracking_url_template VARCHAR(240)
);

CREATE TABLE shipments (
    shipment_id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    carrier_id INTEGER NOT NULL,
    warehouse_id INTEGER NOT NULL,
    tracking_no VARCHAR(40),
    status VARCHAR(12) NOT NULL CHECK (status IN ('packed', 'handed_over', 'delivered', 'refused', 'lost')),
    shipped_at TIMESTAMP,
    promised_on DATE,
    delivered_at TIMESTAMP,
    freight_cost DECIMAL(10, 2),
    CONSTRAINT shipments_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE RESTRICT,
    CONSTRAINT shipments_carriers_fk FOREIGN KEY (carrier_id) REFERENCES carriers (carrier_id) ON DELETE RESTRICT,
    CONSTRAINT shipments_warehouses_fk FOREIGN KEY (warehouse_id) REFERENCES warehouses (warehouse_id) ON DELETE RESTRICT
);

CREATE TABLE shipment_lines (
    shipment_id INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    serial_no VARCHAR(40),
    PRIMARY KEY (shipment_id, order_id, line_no),
    CONSTRAINT shipment_lines_shipments_fk FOREIGN KEY (shipment_id) REFERENCES shipments (shipment_id) ON DELETE CASCADE,
    CONSTRAINT shipment_lines_order_lines_fk FOREIGN KEY (order_id, line_no) REFERENCES order_lines (order_id, line_no) ON DELETE RESTRICT
);

-- Returns -------------------------------------------------------------------------------------

CREATE TABLE return_reasons (
    reason_code VARCHAR(16) PRIMARY KEY,
    label VARCHAR(120) NOT NULL,
    is_our_fault BOOLEAN NOT NULL,
    restockable BOOLEAN NOT NULL DEFAULT 1
);

CREATE TABLE returns (
    return_id INTEGER PRIMARY KEY,
    rma_no VARCHAR(12) NOT NULL UNIQUE,
    order_id INTEGER NOT NULL,
    status VARCHAR(12) NOT NULL CHECK (status IN ('announced', 'received', 'inspected', 'accepted', 'rejected')),
    announced_at TIMESTAMP NOT NULL,
    received_at TIMESTAMP,
    CONSTRAINT returns_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE RESTRICT
);

CREATE TABLE return_lines (
    return_id INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    reason_code VARCHAR(16) NOT NULL,
    customer_remark VARCHAR(400),
    decision VARCHAR(10) CHECK (decision IN ('restock', 'repair', 'scrap', 'supplier')),
    PRIMARY KEY (return_id, order_id, line_no),
    CONSTRAINT return_lines_returns_fk FOREIGN KEY (return_id) REFERENCES returns (return_id) ON DELETE CASCADE,
    CONSTRAINT return_lines_order_lines_fk FOREIGN KEY (order_id, line_no) REFERENCES order_lines (order_id, line_no) ON DELETE RESTRICT,
    CONSTRAINT return_lines_return_reasons_fk FOREIGN KEY (reason_code) REFERENCES return_reasons (reason_code) ON DELETE RESTRICT
);

-- Invoices, payments, dunning -----------------------------------------------------------------

CREATE TABLE invoices (
    invoice_id INTEGER PRIMARY KEY,
    invoice_no VARCHAR(14) NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL,
    order_id INTEGER,
    issued_on DATE NOT NULL,
    due_on DATE NOT NULL,
    currency CHAR(3) NOT NULL DEFAULT 'EUR',
    total_gross DECIMAL(12, 2) NOT NULL,
    open_amount DECIMAL(12, 2) NOT NULL,
    status VARCHAR(12) NOT NULL CHECK (status IN ('open', 'part_paid', 'paid', 'disputed', 'written_off')),
    settled_on DATE,
    CONSTRAINT invoices_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE RESTRICT,
    CONSTRAINT invoices_orders_fk FOREIGN KEY (order_id) REFERENCES orders (order_id) ON DELETE RESTRICT
);

CREATE TABLE invoice_lines (
    invoice_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    description VARCHAR(200) NOT NULL,
    quantity DECIMAL(10, 3) NOT NULL,
    net_amount DECIMAL(12, 2) NOT NULL,
    vat_rate DECIMAL(5, 2) NOT NULL,
    revenue_account_no VARCHAR(8) NOT NULL,
    PRIMARY KEY (invoice_id, line_no),
    CONSTRAINT invoice_lines_invoices_fk FOREIGN KEY (invoice_id) REFERENCES invoices (invoice_id) ON DELETE CASCADE,
    CONSTRAINT invoice_lines_ledger_accounts_fk FOREIGN KEY (revenue_account_no) REFERENCES ledger_accounts (account_no) ON DELETE RESTRICT
);

CREATE TABLE payments (
    payment_id INTEGER PRIMARY KEY,
    customer_id INTEGER,
    received_on DATE NOT NULL,
    method VARCHAR(12) NOT NULL CHECK (method IN ('transfer', 'direct_debit', 'card', 'cash')),
    amount DECIMAL(12, 2) NOT NULL,
    bank_reference VARCHAR(140),
    reversed_on DATE,
    CONSTRAINT payments_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE RESTRICT
);

CREATE TABLE payment_allocations (
    payment_id INTEGER NOT NULL,
    invoice_id INTEGER NOT NULL,
    amount DECIMAL(12, 2) NOT NULL,
    discount_taken DECIMAL(12, 2) NOT NULL DEFAULT 0,
    allocated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (payment_id, invoice_id),
    CONSTRAINT payment_allocations_payments_fk FOREIGN KEY (payment_id) REFERENCES payments (payment_id) ON DELETE CASCADE,
    CONSTRAINT payment_allocations_invoices_fk FOREIGN KEY (invoice_id) REFERENCES invoices (invoice_id) ON DELETE RESTRICT
);

CREATE TABLE dunning_levels (
    level INTEGER PRIMARY KEY,
    title VARCHAR(40) NOT NULL,
    days_overdue INTEGER NOT NULL,
    fee DECIMAL(8, 2) NOT NULL DEFAULT 0,
    blocks_orders BOOLEAN NOT NULL DEFAULT 0
);

CREATE TABLE payment_reminders (
    reminder_id INTEGER PRIMARY KEY,
    invoice_id INTEGER NOT NULL,
    level INTEGER NOT NULL,
    sent_at TIMESTAMP NOT NULL,
    sent_by VARCHAR(8) NOT NULL CHECK (sent_by IN ('email', 'post', 'phone')),
    amount_claimed DECIMAL(12, 2) NOT NULL,
    promise_to_pay_on DATE,
    UNIQUE (invoice_id, level),
    CONSTRAINT payment_reminders_invoices_fk FOREIGN KEY (invoice_id) REFERENCES invoices (invoice_id) ON DELETE CASCADE,
    CONSTRAINT payment_reminders_dunning_levels_fk FOREIGN KEY (level) REFERENCES dunning_levels (level) ON DELETE RESTRICT
);

CREATE TABLE credit_notes (
    credit_note_id INTEGER PRIMARY KEY,
    credit_note_no VARCHAR(14) NOT NULL UNIQUE,
    invoice_id INTEGER NOT NULL,
    return_id INTEGER,
    issued_on DATE NOT NULL,
    gross_amount DECIMAL(12, 2) NOT NULL,
    cause VARCHAR(12) NOT NULL CHECK (cause IN ('return', 'price', 'goodwill', 'bonus')),
    CONSTRAINT credit_notes_invoices_fk FOREIGN KEY (invoice_id) REFERENCES invoices (invoice_id) ON DELETE RESTRICT,
    CONSTRAINT credit_notes_returns_fk FOREIGN KEY (return_id) REFERENCES returns (return_id) ON DELETE SET NULL
);

-- Accounting ----------------------------------------------------------------------------------

CREATE TABLE ledger_accounts (
    account_no VARCHAR(8) PRIMARY KEY,
    parent_account_no VARCHAR(8),
    name VARCHAR(120) NOT NULL,
    class VARCHAR(10) NOT NULL CHECK (class IN ('asset', 'liability', 'equity', 'income', 'expense')),
    is_posting BOOLEAN NOT NULL DEFAULT 1,
    CONSTRAINT ledger_accounts_parent_fk FOREIGN KEY (parent_account_no) REFERENCES ledger_accounts (account_no) ON DELETE RESTRICT
);

CREATE TABLE accounting_periods (
    fiscal_year INTEGER NOT NULL,
    period_no INTEGER NOT NULL,
    starts_on DATE NOT NULL,
    ends_on DATE NOT NULL,
    status VARCHAR(8) NOT NULL CHECK (status IN ('open', 'soft', 'closed')),
    PRIMARY KEY (fiscal_year, period_no)
);

CREATE TABLE journal_entries (
    entry_id INTEGER PRIMARY KEY,
    fiscal_year INTEGER NOT NULL,
    period_no INTEGER NOT NULL,
    booked_on DATE NOT NULL,
    origin VARCHAR(12) NOT NULL CHECK (origin IN ('sales', 'bank', 'purchase', 'payroll', 'stock', 'manual')),
    origin_document VARCHAR(32),
    text VARCHAR(160),
    posted_by INTEGER,
    reverses_entry_id INTEGER,
    CONSTRAINT journal_entries_accounting_periods_fk FOREIGN KEY (fiscal_year, period_no) REFERENCES accounting_periods (fiscal_year, period_no) ON DELETE RESTRICT,
    CONSTRAINT journal_entries_posted_by_fk FOREIGN KEY (posted_by) REFERENCES users (user_id) ON DELETE SET NULL
);

CREATE TABLE journal_lines (
    entry_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    account_no VARCHAR(8) NOT NULL,
    debit DECIMAL(14, 2) NOT NULL DEFAULT 0,
    credit DECIMAL(14, 2) NOT NULL DEFAULT 0,
    cost_centre VARCHAR(12),
    PRIMARY KEY (entry_id, line_no),
    CONSTRAINT journal_lines_journal_entries_fk FOREIGN KEY (entry_id) REFERENCES journal_entries (entry_id) ON DELETE CASCADE,
    CONSTRAINT journal_lines_ledger_accounts_fk FOREIGN KEY (account_no) REFERENCES ledger_accounts (account_no) ON DELETE RESTRICT
);

-- Suppliers and purchasing --------------------------------------------------------------------

CREATE TABLE suppliers (
    supplier_id INTEGER PRIMARY KEY,
    supplier_no VARCHAR(10) NOT NULL UNIQUE,
    name VARCHAR(160) NOT NULL,
    country_code CHAR(2) NOT NULL,
    currency CHAR(3) NOT NULL,
    iban VARCHAR(34),
    rating CHAR(1) CHECK (rating IN ('A', 'B', 'C')),
    is_blocked BOOLEAN NOT NULL DEFAULT 0
);

CREATE TABLE supplier_products (
    supplier_id INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    supplier_sku VARCHAR(40) NOT NULL,
    purchase_price DECIMAL(12, 4) NOT NULL,
    lead_time_days INTEGER NOT NULL,
    min_order_quantity INTEGER NOT NULL DEFAULT 1,
    is_preferred BOOLEAN NOT NULL DEFAULT 0,
    PRIMARY KEY (supplier_id, variant_id),
    CONSTRAINT supplier_products_suppliers_fk FOREIGN KEY (supplier_id) REFERENCES suppliers (supplier_id) ON DELETE CASCADE,
    CONSTRAINT supplier_products_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE CASCADE
);

CREATE TABLE purchase_orders (
    purchase_order_id INTEGER PRIMARY KEY,
    po_no VARCHAR(14) NOT NULL UNIQUE,
    supplier_id INTEGER NOT NULL,
    requested_by INTEGER,
    status VARCHAR(10) NOT NULL CHECK (status IN ('draft', 'submitted', 'approved', 'sent', 'received', 'cancelled')),
    created_at TIMESTAMP NOT NULL,
    expected_on DATE,
    currency CHAR(3) NOT NULL,
    total_net DECIMAL(14, 2) NOT NULL,
    CONSTRAINT purchase_orders_suppliers_fk FOREIGN KEY (supplier_id) REFERENCES suppliers (supplier_id) ON DELETE RESTRICT,
    CONSTRAINT purchase_orders_requested_by_fk FOREIGN KEY (requested_by) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE purchase_order_lines (
    purchase_order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    variant_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price DECIMAL(12, 4) NOT NULL,
    PRIMARY KEY (purchase_order_id, line_no),
    CONSTRAINT purchase_order_lines_purchase_orders_fk FOREIGN KEY (purchase_order_id) REFERENCES purchase_orders (purchase_order_id) ON DELETE CASCADE,
    CONSTRAINT purchase_order_lines_product_variants_fk FOREIGN KEY (variant_id) REFERENCES product_variants (variant_id) ON DELETE RESTRICT
);

CREATE TABLE purchase_approvals (
    purchase_order_id INTEGER NOT NULL,
    step_no INTEGER NOT NULL,
    approver_id INTEGER NOT NULL,
    decision VARCHAR(10) CHECK (decision IN ('approved', 'rejected', 'returned')),
    decided_at TIMESTAMP,
    remark VARCHAR(240),
    PRIMARY KEY (purchase_order_id, step_no),
    CONSTRAINT purchase_approvals_purchase_orders_fk FOREIGN KEY (purchase_order_id) REFERENCES purchase_orders (purchase_order_id) ON DELETE CASCADE,
    CONSTRAINT purchase_approvals_approver_fk FOREIGN KEY (approver_id) REFERENCES employees (employee_id) ON DELETE RESTRICT
);

CREATE TABLE goods_receipts (
    receipt_id INTEGER PRIMARY KEY,
    purchase_order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    received_at TIMESTAMP NOT NULL,
    quantity_accepted INTEGER NOT NULL,
    quantity_damaged INTEGER NOT NULL DEFAULT 0,
    delivery_note_no VARCHAR(40),
    CONSTRAINT goods_receipts_purchase_order_lines_fk FOREIGN KEY (purchase_order_id, line_no) REFERENCES purchase_order_lines (purchase_order_id, line_no) ON DELETE RESTRICT
);

-- People and payroll --------------------------------------------------------------------------

CREATE TABLE departments (
    department_id INTEGER PRIMARY KEY,
    name VARCHAR(80) NOT NULL UNIQUE,
    cost_centre VARCHAR(12) NOT NULL,
    head_employee_id INTEGER,
    CONSTRAINT departments_head_fk FOREIGN KEY (head_employee_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE employees (
    employee_id INTEGER PRIMARY KEY,
    personnel_no VARCHAR(8) NOT NULL UNIQUE,
    full_name VARCHAR(120) NOT NULL,
    department_id INTEGER NOT NULL,
    manager_id INTEGER,
    job_title VARCHAR(80) NOT NULL,
    hired_on DATE NOT NULL,
    left_on DATE,
    weekly_hours DECIMAL(4, 1) NOT NULL DEFAULT 40,
    CONSTRAINT employees_departments_fk FOREIGN KEY (department_id) REFERENCES departments (department_id) ON DELETE RESTRICT,
    CONSTRAINT employees_manager_fk FOREIGN KEY (manager_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE salaries (
    employee_id INTEGER NOT NULL,
    valid_from DATE NOT NULL,
    valid_to DATE,
    monthly_gross DECIMAL(10, 2) NOT NULL,
    pay_grade VARCHAR(6),
    change_reason VARCHAR(16) NOT NULL CHECK (change_reason IN ('hire', 'raise', 'promotion', 'hours', 'correction')),
    PRIMARY KEY (employee_id, valid_from),
    CONSTRAINT salaries_employees_fk FOREIGN KEY (employee_id) REFERENCES employees (employee_id) ON DELETE RESTRICT
);

CREATE TABLE payslips (
    employee_id INTEGER NOT NULL,
    pay_month CHAR(7) NOT NULL,
    run_no INTEGER NOT NULL DEFAULT 1,
    gross DECIMAL(10, 2) NOT NULL,
    tax DECIMAL(10, 2) NOT NULL,
    social_security DECIMAL(10, 2) NOT NULL,
    net_paid DECIMAL(10, 2) NOT NULL,
    paid_on DATE,
    PRIMARY KEY (employee_id, pay_month, run_no),
    CONSTRAINT payslips_employees_fk FOREIGN KEY (employee_id) REFERENCES employees (employee_id) ON DELETE RESTRICT
);

-- Marketing -----------------------------------------------------------------------------------

CREATE TABLE campaigns (
    campaign_id INTEGER PRIMARY KEY,
    code VARCHAR(24) NOT NULL UNIQUE,
    title VARCHAR(120) NOT NULL,
    medium VARCHAR(10) NOT NULL CHECK (medium IN ('email', 'fair', 'print', 'search', 'social')),
    budget DECIMAL(10, 2),
    starts_on DATE NOT NULL,
    ends_on DATE
);

CREATE TABLE campaign_recipients (
    campaign_id INTEGER NOT NULL,
    contact_id INTEGER NOT NULL,
    sent_at TIMESTAMP,
    opened_at TIMESTAMP,
    clicked_at TIMESTAMP,
    bounced BOOLEAN NOT NULL DEFAULT 0,
    unsubscribed_at TIMESTAMP,
    PRIMARY KEY (campaign_id, contact_id),
    CONSTRAINT campaign_recipients_campaigns_fk FOREIGN KEY (campaign_id) REFERENCES campaigns (campaign_id) ON DELETE CASCADE,
    CONSTRAINT campaign_recipients_contacts_fk FOREIGN KEY (contact_id) REFERENCES contacts (contact_id) ON DELETE CASCADE
);

-- Support -------------------------------------------------------------------------------------

CREATE TABLE support_tickets (
    ticket_id INTEGER PRIMARY KEY,
    ticket_no VARCHAR(12) NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL,
    assignee_id INTEGER,
    subject VARCHAR(200) NOT NULL,
    topic VARCHAR(12) NOT NULL CHECK (topic IN ('machine', 'delivery', 'billing', 'webshop', 'other')),
    priority INTEGER NOT NULL DEFAULT 3,
    status VARCHAR(12) NOT NULL CHECK (status IN ('new', 'open', 'waiting', 'solved', 'closed')),
    opened_at TIMESTAMP NOT NULL,
    first_reply_at TIMESTAMP,
    solved_at TIMESTAMP,
    CONSTRAINT support_tickets_customers_fk FOREIGN KEY (customer_id) REFERENCES customers (customer_id) ON DELETE RESTRICT,
    CONSTRAINT support_tickets_assignee_fk FOREIGN KEY (assignee_id) REFERENCES employees (employee_id) ON DELETE SET NULL
);

CREATE TABLE ticket_messages (
    message_id INTEGER PRIMARY KEY,
    ticket_id INTEGER NOT NULL,
    direction VARCHAR(8) NOT NULL CHECK (direction IN ('in', 'out', 'internal')),
    sent_at TIMESTAMP NOT NULL,
    body TEXT NOT NULL,
    CONSTRAINT ticket_messages_support_tickets_fk FOREIGN KEY (ticket_id) REFERENCES support_tickets (ticket_id) ON DELETE CASCADE
);

-- Web analytics and audit ---------------------------------------------------------------------

CREATE TABLE page_views (
    view_id INTEGER PRIMARY KEY,
    session_key CHAR(32) NOT NULL,
    contact_id INTEGER,
    viewed_at TIMESTAMP NOT NULL,
    path VARCHAR(400) NOT NULL,
    referrer_host VARCHAR(120),
    duration_ms INTEGER,
    CONSTRAINT page_views_contacts_fk FOREIGN KEY (contact_id) REFERENCES contacts (contact_id) ON DELETE SET NULL
);

CREATE TABLE audit_log (
    audit_id INTEGER PRIMARY KEY,
    user_id INTEGER,
    happened_at TIMESTAMP NOT NULL,
    table_name VARCHAR(64) NOT NULL,
    row_key VARCHAR(120) NOT NULL,
    action VARCHAR(8) NOT NULL CHECK (action IN ('insert', 'update', 'delete', 'export')),
    changes_json TEXT,
    CONSTRAINT audit_log_users_fk FOREIGN KEY (user_id) REFERENCES users (user_id) ON DELETE SET NULL
);

-- Indexes for the questions asked most ----------------------------------------------------------

CREATE INDEX invoices_due_ix ON invoices (status, due_on);
CREATE INDEX orders_customer_ix ON orders (customer_id, ordered_at);
CREATE INDEX stock_movements_variant_ix ON stock_movements (variant_id, moved_at);
CREATE INDEX page_views_session_ix ON page_views (session_key, viewed_at);
