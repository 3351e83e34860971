/* The tables of the simulated stamp. Identities are fixed, so that scripts may rely on them; meters are those of
 * Azure Stack Hub, written as its providers write them (storage in capitals, addresses without dashes). */
#include "cli/demo_tables.h"

#include "base/check.h"

#define PROSEWARE "dac2e8c4-f1f0-54db-b368-d48c5d642a9c"

static const struct demo_tenant tenants[] = {
    { "64559ecd-8324-5e48-a1f0-76942ea72b9f", "9952a54f-435e-500d-88ca-b0b91ef59864", "Contoso Retail",
      "it@contoso.example", "retail-gold", "contoso", NULL, SUBSCRIPTION_ENABLED, true },
    { "0b27bf82-36b7-570a-b5fa-a255ab9a2a16", "759d3872-af63-5e04-a6ad-f3c2fa78543a", "Fabrikam Manufacturing",
      "ops@fabrikam.example", "industry-standard", "fabrikam", NULL, SUBSCRIPTION_ENABLED, true },
    { "bd09b764-3277-59ba-a192-77934626e269", "1de6cb9e-86bd-5ecc-a325-c2ca30d0a55e", "Northwind Traders",
      "cloud@northwind.example", "retail-gold", "northwind", NULL, SUBSCRIPTION_ENABLED, true },
    { "1bc3cd13-02db-59ce-ad39-8bf6326ea690", "b2f55b85-8abf-5c7f-8ab9-bd22a96b1049", "Adventure Works",
      "admin@adventure-works.example", "starter", "adventure-works", NULL, SUBSCRIPTION_ENABLED, false },
    { "7b496ea1-4d0b-5527-9288-6f4059f827f0", "2f39b849-44bc-521f-90dd-7806fb4ed053", "Litware Research",
      "lab@litware.example", "research-burst", "litware", NULL, SUBSCRIPTION_ENABLED, false },
    { "5298323b-4afd-533b-8e35-7fc7f22880c9", "a5eafeba-2415-549b-a60a-1a71450d285b", "Tailspin Toys",
      "it@tailspin.example", "starter", "tailspin", NULL, SUBSCRIPTION_DELETED, true },
    { "34222a31-18e9-5c29-9a87-d8aeb5fa9bfb", "b128a9cf-41a7-5836-81f7-c2a01aa20751", "Wingtip (not described)",
      "", "", "wingtip", NULL, SUBSCRIPTION_UNKNOWN, false },
    { PROSEWARE, "9eb8940f-55f8-59d9-b31c-981e734ab4c0", "Proseware Hosting (delegated provider)",
      "reseller@proseware.example", "delegated-provider", "proseware", NULL, SUBSCRIPTION_ENABLED, true },
    { "4e257510-d40e-5e5e-bfb1-cc9bbb156fe6", "7ca93f1f-12d9-576d-8f76-1adade91a4c7", "Wide World Importers",
      "it@wideworld.example", "proseware-basic", "wide-world", PROSEWARE, SUBSCRIPTION_ENABLED, true },
};
enum { CONTOSO, FABRIKAM, NORTHWIND, ADVENTURE, LITWARE, TAILSPIN, WINGTIP, PROSEWARE_HOSTING, WIDE_WORLD };

const struct demo_commerce demo_commerce = {
    .subscription = "be19bf30-366a-5b4f-98f0-abbce3e20f60",
    .resource_group = "azurestack",
    .registration = "azurestack-f5fac26a-6208-5366-b750-bfcbc984349f",
    .partner = "a8974f0a-00d8-5c0b-8a30-29dad87981aa",
};

const struct demo_tenant *demo_tenants(size_t *count)
{
    *count = COUNT_OF(tenants);
    return tenants;
}

const char *demo_source_name(enum demo_source source)
{
    static const char *const names[DEMO_SOURCE_COUNT] = {
        [DEMO_COMPUTE] = "Microsoft.Compute",     [DEMO_STORAGE] = "Microsoft.Storage",
        [DEMO_NETWORK] = "Microsoft.Network",     [DEMO_KEY_VAULT] = "Microsoft.KeyVault",
        [DEMO_WEB] = "Microsoft.Web",             [DEMO_SQL] = "Microsoft.SQLAdapter",
        [DEMO_MYSQL] = "Microsoft.MySQLAdapter",  [DEMO_EVENT_HUB] = "Microsoft.EventHub",
    };
    REQUIRE(source < DEMO_SOURCE_COUNT);
    return names[source];
}

const struct demo_meter_info demo_meters[DEMO_METER_COUNT] = {
    [DEMO_METER_BASE_CORES] = { "fab6eb84-500b-4a09-a8ca-7358f8bbaea5", DEMO_COMPUTE },
    [DEMO_METER_WINDOWS_CORES] = { "9cd92d4c-bafd-4492-b278-bedc2de8232a", DEMO_COMPUTE },
    [DEMO_METER_VM_HOURS] = { "6dab500f-a4fd-49c4-956d-229bb9c8c793", DEMO_COMPUTE },
    [DEMO_METER_DISK_S10] = { "d5f7731b-f639-404a-89d0-e46186e22c8d", DEMO_COMPUTE },
    [DEMO_METER_DISK_S20] = { "88ea9228-457a-4091-adc9-ad5194f30b6e", DEMO_COMPUTE },
    [DEMO_METER_DISK_P10] = { "e554b6bc-96cd-4938-a5b5-0da990278519", DEMO_COMPUTE },
    [DEMO_METER_DISK_P20] = { "b9cb2d1a-84c2-4275-aa8b-70d2145d59aa", DEMO_COMPUTE },
    [DEMO_METER_DISK_STANDARD_SIZE] = { "7ba084ec-ef9c-4d64-a179-7732c6cb5e28", DEMO_COMPUTE },
    [DEMO_METER_DISK_PREMIUM_SIZE] = { "daef389a-06e5-4684-a7f7-8813d9f792d5", DEMO_COMPUTE },
    [DEMO_METER_SNAPSHOT_SIZE] = { "108fa95b-be0d-4cd9-96e8-5b0d59505df1", DEMO_COMPUTE },
    [DEMO_METER_TABLE_CAPACITY] = { "B4438D5D-453B-4EE1-B42A-DC72E377F1E4", DEMO_STORAGE },
    [DEMO_METER_PAGE_CAPACITY] = { "B5C15376-6C94-4FDD-B655-1A69D138ACA3", DEMO_STORAGE },
    [DEMO_METER_QUEUE_CAPACITY] = { "B03C6AE7-B080-4BFA-84A3-22C800F315C6", DEMO_STORAGE },
    [DEMO_METER_BLOCK_CAPACITY] = { "09F8879E-87E9-4305-A572-4B7BE209F857", DEMO_STORAGE },
    [DEMO_METER_BLOB_TRANSACTIONS] = { "43DAF82B-4618-444A-B994-40C23F7CD438", DEMO_STORAGE },
    [DEMO_METER_BLOB_IN] = { "9764F92C-E44A-498E-8DC1-AAD66587A810", DEMO_STORAGE },
    [DEMO_METER_BLOB_OUT] = { "3023FEF4-ECA5-4D7B-87B3-CFBC061931E8", DEMO_STORAGE },
    [DEMO_METER_STATIC_IP] = { "F271A8A388C44D93956A063E1D2FA80B", DEMO_NETWORK },
    [DEMO_METER_DYNAMIC_IP] = { "9E2739BA86744796B465F64674B822BA", DEMO_NETWORK },
    [DEMO_METER_VAULT_TRANSACTIONS] = { "EBF13B9F-B3EA-46FE-BF54-396E93D48AB4", DEMO_KEY_VAULT },
    [DEMO_METER_WEB_CORES] = { "190C935E-9ADA-48FF-9AB8-56EA1CF9ADAA", DEMO_WEB },
    [DEMO_METER_WEB_SHARED] = { "957E9F36-2C14-45A1-B6A1-1723EF71A01D", DEMO_WEB },
    [DEMO_METER_WEB_STANDARD] = { "88039D51-A206-3A89-E9DE-C5117E2D10A6", DEMO_WEB },
    [DEMO_METER_WEB_PROCESS] = { "73215A6C-FA54-4284-B9C1-7E8EC871CC5B", DEMO_WEB },
    [DEMO_METER_WEB_EGRESS] = { "5887D39B-0253-4E12-83C7-03E1A93DFFD9", DEMO_WEB },
    [DEMO_METER_FUNCTIONS_REQUESTS] = { "67CC4AFC-0691-48E1-A4B8-D744D1FEDBDE", DEMO_WEB },
    [DEMO_METER_SQL] = { "CBCFEF9A-B91F-4597-A4D3-01FE334BED82", DEMO_SQL },
    [DEMO_METER_MYSQL] = { "E6D8CFCD-7734-495E-B1CC-5AB0B9C24BD3", DEMO_MYSQL },
    [DEMO_METER_EVENT_HUB] = { "CB6A35C5-FADE-406C-B14D-6DDB7C4CA3D5", DEMO_EVENT_HUB },
};

const struct demo_size demo_sizes[] = {
    [DEMO_D2] = { "Standard_D2_v2", 2 },   [DEMO_D3] = { "Standard_D3_v2", 4 },
    [DEMO_F2] = { "Standard_F2s", 2 },     [DEMO_F4] = { "Standard_F4s", 4 },
    [DEMO_DS3] = { "Standard_DS3_v2", 4 }, [DEMO_DS12] = { "Standard_DS12_v2", 4 },
    [DEMO_D13] = { "Standard_D13_v2", 8 }, [DEMO_A1] = { "Standard_A1_v2", 1 },
};

const struct demo_image demo_images[] = {
    [DEMO_UBUNTU] = { "Canonical", "UbuntuServer", "18.04-LTS", false },
    [DEMO_RHEL] = { "RedHat", "RHEL", "7.9", false },
    [DEMO_WINDOWS_2019] = { "MicrosoftWindowsServer", "WindowsServer", "2019-Datacenter", true },
    [DEMO_WINDOWS_BYOL] = { "MicrosoftWindowsServer", "WindowsServer", "2019-Datacenter-BYOL", false },
};

#define EVER .first_hour = INT16_MIN, .last_hour = INT16_MAX

const struct demo_workload demo_workloads[] = {
    { .tenant = -1, .name = "appservice", .environment = "infra", .cost_centre = "", EVER, .sites = 2, .accounts = 1 },

    { .tenant = CONTOSO, .name = "shop", .environment = "prod", .cost_centre = "4711", EVER, .size = DEMO_DS3,
      .image = DEMO_UBUNTU, .schedule = DEMO_SCALED, .machines = 6, .data_disks = 0, .addresses = 2, .accounts = 2,
      .vaults = 1 },
    { .tenant = CONTOSO, .name = "erp", .environment = "prod", .cost_centre = "4712", EVER, .size = DEMO_D13,
      .image = DEMO_WINDOWS_2019, .machines = 2, .data_disks = 2, .addresses = 1, .accounts = 1, .databases = 3,
      .snapshots = 2 },
    { .tenant = CONTOSO, .name = "shop-test", .environment = "test", .cost_centre = "4711", EVER, .size = DEMO_D2,
      .image = DEMO_UBUNTU, .schedule = DEMO_OFFICE, .machines = 2, .addresses = 1, .accounts = 1 },

    { .tenant = FABRIKAM, .name = "mes", .environment = "prod", .cost_centre = "P-100", EVER, .size = DEMO_DS12,
      .image = DEMO_WINDOWS_BYOL, .machines = 3, .data_disks = 1, .addresses = 2, .accounts = 1, .vaults = 1,
      .databases = 2, .snapshots = 1 },
    { .tenant = FABRIKAM, .name = "telemetry", .environment = "prod", .cost_centre = "P-200", EVER, .size = DEMO_F4,
      .image = DEMO_UBUNTU, .machines = 2, .growth_hours = 400, .addresses = 1, .accounts = 2, .event_hubs = 1 },
    { .tenant = FABRIKAM, .name = "cad", .environment = "prod", .cost_centre = "P-300", EVER, .size = DEMO_D13,
      .image = DEMO_WINDOWS_2019, .schedule = DEMO_OFFICE, .machines = 3, .data_disks = 1 },

    { .tenant = NORTHWIND, .name = "orders", .environment = "prod", .cost_centre = "NW-7", EVER, .size = DEMO_D3,
      .image = DEMO_RHEL, .machines = 2, .data_disks = 1, .addresses = 1, .accounts = 1, .vaults = 1, .sites = 3,
      .mysql_databases = 2 },
    { .tenant = NORTHWIND, .name = "reports", .environment = "prod", .cost_centre = "NW-8", EVER, .size = DEMO_F4,
      .image = DEMO_UBUNTU, .schedule = DEMO_NIGHT, .machines = 2, .accounts = 1 },

    { .tenant = ADVENTURE, .name = "web", .environment = "prod", .cost_centre = "100", EVER, .size = DEMO_A1,
      .image = DEMO_UBUNTU, .machines = 1, .addresses = 1, .accounts = 1, .sites = 4, .mysql_databases = 1 },
    { .tenant = ADVENTURE, .name = "summer", .environment = "prod", .cost_centre = "101", .first_hour = -12 * 24,
      .last_hour = INT16_MAX, .size = DEMO_D2, .image = DEMO_UBUNTU, .schedule = DEMO_SCALED, .machines = 3,
      .addresses = 1, .accounts = 1 },

    { .tenant = LITWARE, .name = "lab", .environment = "dev", .cost_centre = "R&D", EVER, .size = DEMO_D3,
      .image = DEMO_UBUNTU, .schedule = DEMO_OFFICE, .machines = 2, .data_disks = 1, .addresses = 1, .accounts = 1,
      .vaults = 1 },
    { .tenant = LITWARE, .name = "run", .environment = "dev", .cost_centre = "R&D", EVER, .size = DEMO_F4,
      .image = DEMO_UBUNTU, .machines = 5, .accounts = 1, .period_hours = 50, .life_hours = 13 },

    { .tenant = TAILSPIN, .name = "toys", .environment = "prod", .cost_centre = "TT", .first_hour = INT16_MIN,
      .last_hour = -DEMO_DELETED_HOURS, .size = DEMO_D2, .image = DEMO_WINDOWS_2019, .machines = 2, .addresses = 1,
      .accounts = 1, .databases = 1 },

    { .tenant = WINGTIP, .name = "default", .environment = "", .cost_centre = "", .first_hour = -4 * 24,
      .last_hour = INT16_MAX, .size = DEMO_F2, .image = DEMO_UBUNTU, .machines = 1, .addresses = 1, .accounts = 1 },

    { .tenant = PROSEWARE_HOSTING, .name = "portal", .environment = "prod", .cost_centre = "", EVER,
      .size = DEMO_A1, .image = DEMO_UBUNTU, .machines = 1, .addresses = 1, .accounts = 1 },
    { .tenant = WIDE_WORLD, .name = "import", .environment = "prod", .cost_centre = "WWI-1", EVER,
      .size = DEMO_D2, .image = DEMO_WINDOWS_2019, .machines = 2, .addresses = 1, .accounts = 1, .vaults = 1,
      .databases = 1 },
};
const size_t demo_workload_count = COUNT_OF(demo_workloads);

const uint16_t demo_day_curve[24] = { 180, 140, 120, 110, 120,  170,  300,  480,  680,  830, 910, 950,
                                      920, 940, 970, 1000, 960, 880,  790,  720,  640,  520, 380, 260 };
const uint8_t demo_week_curve[7] = { 96, 100, 98, 97, 92, 55, 48 };
