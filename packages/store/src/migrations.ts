/** The schema, one numbered step at a time. A step that has landed is never edited; the next one is added. */
export interface Migration {
  readonly number: number;
  readonly title: string;
  readonly sql: string;
}

/** Rows of the scope's tenant, or every row in platform scope. Both settings are local to a transaction. */
const policy = (table: string): string => `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy ${table}_scope on ${table}
  using (current_setting('app.platform', true) = 'on' or tenant_id = current_setting('app.tenant', true))
  with check (current_setting('app.platform', true) = 'on' or tenant_id = current_setting('app.tenant', true));
`;

export const migrations: readonly Migration[] = [
  {
    number: 1,
    title: 'resources, events, ledger, keys, idempotency',
    sql: `
create table resource (
  kind text not null,
  id text not null,
  tenant_id text not null,
  name text not null,
  state text not null,
  parent_id text,
  spec jsonb not null,
  status jsonb not null,
  version int not null default 1,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  deleted_at timestamptz,
  primary key (kind, id)
);
create unique index resource_name on resource (kind, tenant_id, name) where deleted_at is null;
create index resource_page on resource (kind, tenant_id, id) where deleted_at is null;
create index resource_kind on resource (kind, id) where deleted_at is null;
create index resource_state on resource (kind, state, id) where deleted_at is null;
create index resource_parent on resource (kind, parent_id, id) where deleted_at is null;
create table event (
  seq bigserial primary key,
  tenant_id text not null,
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  resource_id text not null,
  type text not null,
  from_state text,
  to_state text,
  actor text not null,
  reason jsonb,
  request_id text
);
create index event_tenant on event (tenant_id, seq);
create index event_resource on event (tenant_id, resource_id, seq);
create table ledger (
  id text primary key,
  tenant_id text not null,
  at timestamptz not null,
  user_id text,
  queue_id text,
  job_id text,
  endpoint_id text,
  attempt_id text,
  resource text not null,
  quantity numeric not null check (quantity >= 0),
  unit text not null,
  price numeric not null,
  currency text not null
);
create index ledger_tenant on ledger (tenant_id, at);
create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only';
end $$;
create trigger ledger_append_only before update or delete on ledger for each row execute function ledger_is_append_only();
create table api_key (
  id text primary key,
  tenant_id text not null,
  hash text not null,
  prefix text not null,
  principal_id text not null,
  scopes jsonb not null,
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz
);
create index api_key_tenant on api_key (tenant_id, id);
create table idempotency (
  tenant_id text not null,
  key text not null,
  route text not null,
  request_hash text not null,
  response jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, key)
);
${['resource', 'event', 'ledger', 'api_key', 'idempotency'].map(policy).join('')}
grant select, insert, update on resource, api_key to gantry_app;
grant select, insert on event, ledger, idempotency to gantry_app;
grant usage on sequence event_seq_seq to gantry_app;
`,
  },
  {
    number: 2,
    title: 'which server holds the database; idempotency keys taken with the row they made',
    sql: `
create table server_lease (only_one boolean primary key default true check (only_one), holder text);
insert into server_lease (holder) values (null);
grant select, update on server_lease to gantry_app;
alter table idempotency alter column response drop not null;
alter table idempotency add column resource_id text;
create index idempotency_age on idempotency (tenant_id, at);
grant update, delete on idempotency to gantry_app;
`,
  },
  {
    number: 3,
    title:
      'the primary key finds a kind in order as well; every change of a state had to write this one, too',
    sql: 'drop index resource_kind;',
  },
];
