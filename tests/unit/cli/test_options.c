/* Unit tests of the option table, the values it gives, and the freshness of the sample made from it. */
#include "base/support.h"

#include "base/arena.h"
#include "base/log.h"
#include "cli/options.h"
#include "net/assets.h"

static err_t load(const struct options_source *source, struct config *out, struct error_info *info)
{
    static struct arena *arena; /* values must outlive this call; freed with the process */
    if (arena == NULL)
        arena = arena_new(16 * 1024, 0);
    return options_load(arena, source, out, info);
}

static void table_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct config_option *option = &options_table[i];
        assert_non_null(option->section);
        assert_non_null(option->key);
        assert_non_null(option->default_text);
        assert_non_null(option->help);
        assert_int_equal(option->help[strlen(option->help) - 1], '.');
        for (size_t j = 0; j < i; j++)
            assert_true(option->flag == NULL || options_table[j].flag == NULL ||
                        strcmp(option->flag, options_table[j].flag) != 0);
    }
}

static void sample_is_fresh(void **state)
{
    (void)state;
    struct buffer sample = { 0 };
    config_write_sample(options_table, OPTION_COUNT, &sample);
    assert_false(sample.failed);
    for (size_t i = 0; i < assets_count; i++) {
        if (strcmp(assets[i].path, "config/stampmeter.json") != 0)
            continue;
        struct text file = { (const char *)assets[i].data, assets[i].size };
        if (!text_equal(file, buffer_text(&sample)))
            fail_msg("config/stampmeter.json is stale: zig-out/bin/stampmeter gen-config > config/stampmeter.json");
        buffer_free(&sample);
        return;
    }
    fail_msg("config/stampmeter.json is not there: zig-out/bin/stampmeter gen-config > config/stampmeter.json");
}

/* The sample, read back, is the defaults. */
static void sample_means_the_defaults(void **state)
{
    (void)state;
    char path[] = "/tmp/stampmeter-sample-XXXXXX";
    struct buffer sample = { 0 };
    struct config from_sample, defaults;
    struct error_info info = { 0 };
    config_write_sample(options_table, OPTION_COUNT, &sample);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, buffer_text(&sample).ptr, buffer_len(&sample)), (ssize_t)buffer_len(&sample));
    (void)close(fd);
    err_t error = load(&(struct options_source){ .file_path = path }, &from_sample, &info);
    (void)unlink(path);
    if (error != ERROR_OK)
        fail_msg("%s", info.message);
    assert_int_equal(load(&(struct options_source){ 0 }, &defaults, &info), ERROR_OK);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        assert_true(text_equal(from_sample.values[i].text, defaults.values[i].text));
        assert_int_equal(from_sample.values[i].number, defaults.values[i].number);
        assert_int_equal(from_sample.values[i].origin, CONFIG_FROM_FILE);
    }
    buffer_free(&sample);
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    struct config config;
    struct error_info info;
    assert_int_equal(load(&(struct options_source){ 0 }, &config, &info), ERROR_OK);
    assert_string_equal(options_string(&config, OPTION_NET_LISTEN), "127.0.0.1:8443");
    assert_int_equal(options_size(&config, OPTION_NET_BODY_SIZE_MAX), 16 << 20);
    assert_int_equal(options_u32(&config, OPTION_NET_HANDSHAKE_TIMEOUT), 10000);
    assert_int_equal(options_duration_ns(&config, OPTION_USAGE_FUTURE_MAX), 5 * NS_PER_MINUTE);
    assert_int_equal(options_duration_ns(&config, OPTION_USAGE_AGE_MAX), 400 * NS_PER_DAY);
    assert_int_equal(options_number(&config, OPTION_LOG_LEVEL), LOG_INFO);
    assert_int_equal(options_number(&config, OPTION_SERVER_ROLE), SERVER_ROLE_STAMP);
    assert_string_equal(options_string(&config, OPTION_TLS_KEY_FILE), "");
}

static void flag_beats_environment_beats_default(void **state)
{
    (void)state;
    struct config config;
    struct error_info info;
    char listen[] = "STAMPMETER_NET_LISTEN=1.2.3.4:5", folder[] = "STAMPMETER_STORE_DATA_DIR=/from/environment";
    char *environment[] = { listen, folder, NULL };
    struct options_source source = { .environment = environment };
    options_set(&source, OPTION_STORE_DATA_DIR, "/from/flag");
    assert_int_equal(load(&source, &config, &info), ERROR_OK);
    assert_string_equal(options_string(&config, OPTION_NET_LISTEN), "1.2.3.4:5");
    assert_string_equal(options_string(&config, OPTION_STORE_DATA_DIR), "/from/flag");
    assert_int_equal(config.values[OPTION_STORE_DATA_DIR].origin, CONFIG_FROM_FLAG);
}

static void refuses(enum option option, const char *value, const char *expected)
{
    struct config config;
    struct error_info info = { 0 };
    struct options_source source = { 0 };
    options_set(&source, option, value);
    assert_int_equal(load(&source, &config, &info), ERROR_INVALID_CONFIG);
    if (strstr(info.message, expected) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", info.message, expected);
}

static void checks_values(void **state)
{
    (void)state;
    refuses(OPTION_SERVER_ROLE, "king", "stamp, commerce, both");
    refuses(OPTION_USAGE_AGE_MAX, "5 parsecs", "usage.age_max");
    refuses(OPTION_SERVER_WORKER_THREADS, "17", "1 to 16");
    refuses(OPTION_TLS_KEY_FILE, "/key.pem", "set both or neither");
    refuses(OPTION_TLS_CERTIFICATE_FILE, "/certificate.pem", "set both or neither");
    refuses(OPTION_STORE_DATA_DIR, "", "name a folder");
    static const char *const bad_addresses[] = {
        "", "8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:8443", "127.0.0.1:-1", "[]:1"
    };
    for (size_t i = 0; i < COUNT_OF(bad_addresses); i++)
        refuses(OPTION_NET_LISTEN, bad_addresses[i], "net.listen");
    static const char *const good_addresses[] = { "127.0.0.1:0", "[::1]:8443", "[::]:65535", "localhost:1",
                                                  "0.0.0.0:443", ":8443",      "*:8443" };
    for (size_t i = 0; i < COUNT_OF(good_addresses); i++) {
        struct config config;
        struct error_info info;
        struct options_source source = { 0 };
        options_set(&source, OPTION_NET_LISTEN, good_addresses[i]);
        assert_int_equal(load(&source, &config, &info), ERROR_OK);
    }
}

TESTS(cmocka_unit_test(table_is_complete), cmocka_unit_test(sample_is_fresh),
      cmocka_unit_test(sample_means_the_defaults), cmocka_unit_test(defaults_are_those_of_the_contract),
      cmocka_unit_test(flag_beats_environment_beats_default), cmocka_unit_test(checks_values))
