/* Unit tests of base/config over a small table of every type. */
#include "support.h"

#include <fcntl.h>

#include "base/config.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"

static const char *const formats[] = { "text", "json", NULL };

enum { LISTEN, THREADS, TLS_ON, BODY, FORMAT, TIMEOUT, PASSWORD, FREE };

static const struct config_option table[] = {
    [LISTEN] = { .section = "net",
                 .key = "listen",
                 .type = CONFIG_TEXT,
                 .default_text = "127.0.0.1:8443",
                 .flag = "--listen",
                 .help = "Address and port." },
    [THREADS] = { .section = "net",
                  .key = "threads",
                  .type = CONFIG_INT,
                  .default_text = "2",
                  .min = 1,
                  .max = 16,
                  .help = "Threads." },
    [TLS_ON] = { .section = "net", .key = "tls", .type = CONFIG_BOOL, .default_text = "true", .help = "TLS." },
    [BODY] = { .section = "net",
               .key = "max-body",
               .type = CONFIG_SIZE,
               .default_text = "16MiB",
               .min = 1024,
               .max = INT64_C(1) << 30,
               .help = "Largest body." },
    [FORMAT] = { .section = "log",
                 .key = "format",
                 .type = CONFIG_CHOICE,
                 .default_text = "text",
                 .choices = formats,
                 .reloadable = true,
                 .help = "Form of the log." },
    [TIMEOUT] = { .section = "log",
                  .key = "timeout",
                  .type = CONFIG_DURATION,
                  .default_text = "10s",
                  .min = 1,
                  .max = INT64_C(400) * 86400000,
                  .reloadable = true,
                  .help = "Patience." },
    [PASSWORD] = { .section = "log", .key = "password", .type = CONFIG_TEXT, .secret = true, .help = "A secret." },
    [FREE] = { .section = "log", .key = "free", .type = CONFIG_INT, .default_text = "-5", .help = "Any number." },
};

static struct arena *arena;
static struct error_info info;
static char path[1024];
static struct config config;

static int set_up(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%s/test_config.XXXXXX", folder != NULL ? folder : "/tmp");
    int fd = mkstemp(path);
    arena = arena_new(4096, 0);
    memset(&info, 0, sizeof info);
    memset(&config, 0, sizeof config);
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return unlink(path);
}

static err_t load(const char *file, char *const *environment, const char *listen_flag)
{
    size_t flag_options[] = { LISTEN };
    struct text flag_texts[] = { text_of(listen_flag) };
    if (file != NULL)
        assert_int_equal(file_write_durable(path, text_of(file), 0600, NULL), ERROR_OK);
    return config_load(arena, table, COUNT_OF(table), file != NULL ? path : NULL, environment, flag_options, flag_texts,
                       listen_flag != NULL, &config, &info);
}

static int64_t number(size_t option)
{
    return config.values[option].number;
}

static void has_defaults(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL, NULL), ERROR_OK);
    assert_int_equal(config.count, COUNT_OF(table));
    assert_text(config.values[LISTEN].text, "127.0.0.1:8443");
    assert_int_equal(config.values[LISTEN].text.ptr[14], 0);
    assert_int_equal(number(THREADS), 2);
    assert_int_equal(number(TLS_ON), 1);
    assert_int_equal(number(BODY), 16 << 20);
    assert_int_equal(number(FORMAT), 0);
    assert_int_equal(number(TIMEOUT), 10000);
    assert_text(config.values[PASSWORD].text, "");
    assert_int_equal(number(FREE), -5);
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_int_equal(config.values[i].origin, CONFIG_FROM_DEFAULT);
    assert_int_equal(config_find(table, COUNT_OF(table), TEXT("net.max-body")), BODY);
    assert_int_equal(config_find(table, COUNT_OF(table), TEXT("net.body")), -1);
}

static void reads_a_file(void **state)
{
    (void)state;
    static const char file[] = "// first line\n{\n  // indented: \"listen\": 1,\n\t// tab\n  \"net\": {\"listen\": "
                               "\"http://[::1]:80\", \"threads\": 16,\n    \"tls\": false, \"max-body\": \"64KiB\"},\n"
                               "  \"log\": {\"format\": \"json\", \"timeout\": \"400d\"}\n}\n// last line";
    assert_int_equal(load(file, NULL, NULL), ERROR_OK);
    assert_text(config.values[LISTEN].text, "http://[::1]:80");
    assert_int_equal(config.values[LISTEN].origin, CONFIG_FROM_FILE);
    assert_int_equal(number(THREADS), 16);
    assert_int_equal(number(TLS_ON), 0);
    assert_int_equal(number(BODY), 65536);
    assert_int_equal(number(FORMAT), 1);
    assert_true(number(TIMEOUT) == INT64_C(400) * 86400000);
    assert_int_equal(config.values[FREE].origin, CONFIG_FROM_DEFAULT);
    assert_int_equal(load("{}", NULL, NULL), ERROR_OK);
    assert_int_equal(
        load("{\"net\":{\"max-body\":4096,\"threads\":\"3\"},\"log\":{\"timeout\":1500,\"free\":-7}}", NULL, NULL),
        ERROR_OK);
    assert_int_equal(number(BODY), 4096);
    assert_int_equal(number(THREADS), 3);
    assert_int_equal(number(TIMEOUT), 1500);
    assert_int_equal(number(FREE), -7);
}

static void ranks_its_sources(void **state)
{
    (void)state;
    char listen[] = "STAMPMETER_NET_LISTEN=env";
    char body[] = "STAMPMETER_NET_MAX_BODY=1GiB";
    char tls[] = "STAMPMETER_NET_TLS=0";
    char secret[] = "STAMPMETER_LOG_PASSWORD=a=b";
    char other[] = "PATH=/bin";
    char *environment[] = { other, listen, body, tls, secret, NULL };
    static const char file[] = "{\"net\":{\"listen\":\"file\",\"threads\":5,\"max-body\":\"1MiB\"}}";
    assert_int_equal(load(file, environment, "flag"), ERROR_OK);
    assert_text(config.values[LISTEN].text, "flag");
    assert_int_equal(config.values[LISTEN].origin, CONFIG_FROM_FLAG);
    assert_true(number(BODY) == INT64_C(1) << 30);
    assert_int_equal(config.values[BODY].origin, CONFIG_FROM_ENVIRONMENT);
    assert_int_equal(number(THREADS), 5);
    assert_int_equal(number(TLS_ON), 0);
    assert_text(config.values[PASSWORD].text, "a=b");
    assert_int_equal(load(file, environment, NULL), ERROR_OK);
    assert_text(config.values[LISTEN].text, "env");
}

/* Refused as a whole: what was loaded before stays. The message names source, key and what is right. */
static void refuses_bad_files(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "{\"net\":{\"lisen\":\"x\"}}", "net.lisen is not known; the nearest known key is net.listen" },
        { "{\"nte\":{\"listen\":\"x\"}}", "nte.listen is not known; the nearest known key is net.listen" },
        { "{\"net\":{\"threads\":5,\"max_body\":1024}}",
          "net.max_body is not known; the nearest known key is net.max-body" },
        { "{\"listen\":\"x\"}", "listen is not known; the nearest known key is net.listen" },
        { "{\"net\":{\"threads\":17}}", "net.threads is \"17\", it takes a whole number, 1 to 16" },
        { "{\"net\":{\"threads\":0}}", "net.threads" },
        { "{\"net\":{\"threads\":1.5}}", "net.threads" },
        { "{\"net\":{\"threads\":1e1}}", "net.threads" },
        { "{\"net\":{\"threads\":\"\"}}", "net.threads" },
        { "{\"net\":{\"threads\":99999999999999999999}}", "net.threads" },
        { "{\"net\":{\"threads\":null}}", "net.threads is not a string" },
        { "{\"net\":{\"threads\":[1]}}", "net.threads is not a string" },
        { "{\"net\":{\"listen\":\"a\\u0000b\"}}", "net.listen" },
        { "{\"net\":{\"tls\":\"yes\"}}", "it takes true or false" },
        { "{\"net\":{\"max-body\":\"16 MiB\"}}", "it takes a size such as 64KiB" },
        { "{\"net\":{\"max-body\":\"16MB\"}}", "net.max-body" },
        { "{\"net\":{\"max-body\":\"99999999999GiB\"}}", "net.max-body" },
        { "{\"net\":{\"max-body\":\"2GiB\"}}", "net.max-body" },
        { "{\"net\":{\"max-body\":-5}}", "net.max-body" },
        { "{\"log\":{\"timeout\":\"0s\"}}", "it takes a duration such as 250ms" },
        { "{\"log\":{\"timeout\":\"1w\"}}", "log.timeout" },
        { "{\"log\":{\"format\":\"xml\"}}", "it takes one of text, json" },
        { "{\"net\":{\"threads\":1,\"threads\":2}}", "\"threads\" is there twice" },
        { "{\"net\":{},\"net\":{}}", "\"net\" is there twice" },
        { "{\"net\":{\"threads\":1,}}", "not JSON at byte" },
        { "{\"net\":{}} // behind", "not JSON" },
        { "[]", "not an object" },
        { "", "the file is empty" },
        { "// nothing", "no value" },
    };
    assert_int_equal(load("{\"net\":{\"threads\":7}}", NULL, NULL), ERROR_OK);
    const struct config_value *before = config.values;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (load(cases[i][0], NULL, NULL) != ERROR_INVALID_CONFIG)
            fail_msg("%s is accepted", cases[i][0]);
        if (strstr(info.message, cases[i][1]) == NULL || strstr(info.message, path) == NULL)
            fail_msg("%s: \"%s\"", cases[i][0], info.message);
        assert_ptr_equal(config.values, before);
    }
    assert_int_equal(number(THREADS), 7);
    size_t none = 0;
    assert_int_equal(
        config_load(arena, table, COUNT_OF(table), "/nonexistent/file", NULL, &none, NULL, 0, &config, &info),
        ERROR_INVALID_CONFIG);
    assert_non_null(strstr(info.message, "/nonexistent/file"));
}

static void refuses_bad_variables(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "STAMPMETER_NET_LISEN=x",
          "STAMPMETER_NET_LISEN is not known; the nearest known key is STAMPMETER_NET_LISTEN" },
        { "STAMPMETER_NET_SOMETHING=x", "STAMPMETER_NET_SOMETHING is not known" },
        { "STAMPMETER_NTE_LISTEN=x", "the nearest known key is STAMPMETER_NET_LISTEN" },
        { "STAMPMETER_NET_THREADS=many", "environment: net.threads is \"many\"" },
        { "STAMPMETER_NET_THREADS=", "environment: net.threads is \"\"" },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char variable[100];
        (void)snprintf(variable, sizeof variable, "%s", bad[i][0]);
        char *environment[] = { variable, NULL };
        assert_int_equal(load(NULL, environment, NULL), ERROR_INVALID_CONFIG);
        if (strstr(info.message, bad[i][1]) == NULL)
            fail_msg("%s: \"%s\"", bad[i][0], info.message);
    }
    char seed[] = "STAMPMETER_SEED=5";
    char host[] = "STAMPMETER_SERVICE_HOST=10.0.0.1";
    char port[] = "STAMPMETER_PORT=tcp://10.0.0.1:80";
    char no_value[] = "STAMPMETER_NET_LISTEN";
    char *fine[] = { seed, host, port, no_value, NULL };
    assert_int_equal(load(NULL, fine, NULL), ERROR_OK);
}

static void keeps_secrets(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    char bad[] = "STAMPMETER_LOG_PASSWORD=hunter2\xFF";
    char *environment[] = { bad, NULL };
    assert_int_equal(load(NULL, environment, NULL), ERROR_INVALID_CONFIG);
    assert_null(strstr(info.message, "hunter2"));
    assert_non_null(strstr(info.message, "log.password is \"***\""));
    assert_int_equal(load("{\"log\":{\"password\":\"hunter2\"}}", NULL, NULL), ERROR_OK);
    assert_text(config.values[PASSWORD].text, "hunter2");
    for (int json = 0; json < 2; json++) {
        buffer_clear(&out);
        config_write_effective(&config, json != 0, &out);
        buffer_append_char(&out, '\0');
        assert_null(strstr(out.data, "hunter2"));
        assert_non_null(strstr(out.data, "***"));
    }
    buffer_free(&out);
}

static void writes_effective_values(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    char body[] = "STAMPMETER_NET_MAX_BODY=1MiB";
    char *environment[] = { body, NULL };
    assert_int_equal(load("{\"net\":{\"tls\":false}}", environment, ":80"), ERROR_OK);
    config_write_effective(&config, false, &out);
    assert_text(buffer_text(&out), "net.listen = \":80\"  (flag)\nnet.threads = 2  (default)\nnet.tls = false  (file)\n"
                                   "net.max-body = \"1MiB\"  (environment)\nlog.format = \"text\"  (default)\n"
                                   "log.timeout = \"10s\"  (default)\nlog.password = \"\"  (default)\n"
                                   "log.free = -5  (default)\n");
    buffer_clear(&out);
    config_write_effective(&config, true, &out);
    const struct json *root;
    struct text text;
    assert_int_equal(json_parse(arena, buffer_text(&out), &root, NULL), ERROR_OK);
    const struct json *listen = json_member(json_member(root, TEXT("net")), TEXT("listen"));
    assert_true(json_member_string(listen, TEXT("value"), &text));
    assert_text(text, ":80");
    assert_true(json_member_string(listen, TEXT("origin"), &text));
    assert_text(text, "flag");
    assert_int_equal(json_count(json_member(root, TEXT("log"))), 4);
    buffer_free(&out);
}

/* The sample names every option and is a file that loads to the defaults. */
static void writes_a_sample(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    config_write_sample(table, COUNT_OF(table), &out);
    buffer_append_char(&out, '\0');
    assert_int_equal(load(out.data, NULL, NULL), ERROR_OK);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(config.values[i].origin, CONFIG_FROM_FILE);
        assert_text(config.values[i].text, table[i].default_text != NULL ? table[i].default_text : "");
        assert_non_null(strstr(out.data, table[i].help));
    }
    assert_non_null(strstr(out.data, "Also: STAMPMETER_NET_LISTEN, --listen\n"));
    assert_non_null(strstr(out.data, "Takes a whole number, 1 to 16. Also"));
    assert_non_null(strstr(out.data, "Takes one of text, json; SIGHUP reloads it. Also"));
    buffer_free(&out);
}

static void survives_short_memory(void **state)
{
    (void)state;
    char body[] = "STAMPMETER_NET_MAX_BODY=1MiB";
    char *environment[] = { body, NULL };
    assert_int_equal(load("{\"net\":{\"tls\":false}}", NULL, NULL), ERROR_OK);
    struct arena *outer = arena;
    err_t error;
    unsigned long n = 0;
    do {
        struct config own = { 0 };
        size_t none = 0;
        (void)memory_fail_from(++n);
        arena = arena_new(256, 0);
        error = ERROR_NO_MEMORY;
        if (arena != NULL)
            error = config_load(arena, table, COUNT_OF(table), path, environment, &none, NULL, 0, &own, &info);
        assert_int_equal(memory_fail_from(0), error != ERROR_OK);
        assert_true(error == ERROR_OK || error == ERROR_NO_MEMORY);
        assert_int_equal(own.values != NULL, error == ERROR_OK);
        arena_free(arena);
    } while (error != ERROR_OK);
    assert_true(n > 3);
    arena = outer;
}

#define CONFIG_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

TESTS(CONFIG_TEST(has_defaults), CONFIG_TEST(reads_a_file), CONFIG_TEST(ranks_its_sources),
      CONFIG_TEST(refuses_bad_files), CONFIG_TEST(refuses_bad_variables), CONFIG_TEST(keeps_secrets),
      CONFIG_TEST(writes_effective_values), CONFIG_TEST(writes_a_sample), CONFIG_TEST(survives_short_memory))
