//! Builds Stampmeter: the program, its tests, the sanitizer and fuzz builds and the release.
//!
//! To add a source file or a test, add its name to the list of its layer below, one per line, sorted.
//! The same lists feed Zig's own compiler and the clang of the sanitizer build, so there is one truth;
//! tests/tidy.py checks that no file is left out.
//!
//! Third-party sources come from vendor/fetch.py, which verifies them; this file sees only its output folder.

const std = @import("std");
const builtin = @import("builtin");
const Build = std.Build;
const LazyPath = Build.LazyPath;

const zig_version = "0.16.0";

comptime {
    // Zig's build interface changes between releases, so any other version fails here with a hint
    // instead of in the middle of the build with a riddle.
    if (!std.mem.eql(u8, builtin.zig_version_string, zig_version)) {
        @compileError("Zig " ++ zig_version ++ " is needed, this is " ++ builtin.zig_version_string ++
            "; build through ./vendor/zig build");
    }
}

// ---- Sources ----

const base_sources = [_][]const u8{
    "src/base/arena.c",
    "src/base/buffer.c",
    "src/base/bytes.c",
    "src/base/check.c",
    "src/base/checksum.c",
    "src/base/clock.c",
    "src/base/config.c",
    "src/base/config_write.c",
    "src/base/crypto.c",
    "src/base/csv.c",
    "src/base/decimal.c",
    "src/base/encode.c",
    "src/base/error.c",
    "src/base/files.c",
    "src/base/guid.c",
    "src/base/gzip.c",
    "src/base/hash.c",
    "src/base/instant.c",
    "src/base/json.c",
    "src/base/json_canonical.c",
    "src/base/json_split.c",
    "src/base/json_write.c",
    "src/base/jws.c",
    "src/base/log.c",
    "src/base/members.c",
    "src/base/memory.c",
    "src/base/signature.c",
    "src/base/siphash.c",
    "src/base/text.c",
    "src/base/url.c",
    "src/base/workers.c",
};

const base_tests = [_][]const u8{
    "tests/unit/base/test_arena.c",
    "tests/unit/base/test_buffer.c",
    "tests/unit/base/test_bytes.c",
    "tests/unit/base/test_checksum.c",
    "tests/unit/base/test_clock.c",
    "tests/unit/base/test_config.c",
    "tests/unit/base/test_crypto.c",
    "tests/unit/base/test_decimal.c",
    "tests/unit/base/test_encode.c",
    "tests/unit/base/test_error.c",
    "tests/unit/base/test_files.c",
    "tests/unit/base/test_gzip.c",
    "tests/unit/base/test_instant.c",
    "tests/unit/base/test_json.c",
    "tests/unit/base/test_json_split.c",
    "tests/unit/base/test_json_write.c",
    "tests/unit/base/test_jws.c",
    "tests/unit/base/test_log.c",
    "tests/unit/base/test_signature.c",
    "tests/unit/base/test_siphash.c",
    "tests/unit/base/test_text.c",
    "tests/unit/base/test_url.c",
    "tests/unit/base/test_workers.c",
};

const store_sources = [_][]const u8{
    "src/store/audit.c",
    "src/store/backup.c",
    "src/store/claims.c",
    "src/store/compact.c",
    "src/store/data_file.c",
    "src/store/dictionary.c",
    "src/store/file_check.c",
    "src/store/filter.c",
    "src/store/forecast.c",
    "src/store/head.c",
    "src/store/journal.c",
    "src/store/journal_chain.c",
    "src/store/kv.c",
    "src/store/kv_tables.c",
    "src/store/kv_memory.c",
    "src/store/pending.c",
    "src/store/queue.c",
    "src/store/replay.c",
    "src/store/reported_time.c",
    "src/store/retention.c",
    "src/store/row_sort.c",
    "src/store/rows_plain.c",
    "src/store/rows_runs.c",
    "src/store/run.c",
    "src/store/run_check.c",
    "src/store/run_find.c",
    "src/store/run_merge.c",
    "src/store/run_union.c",
    "src/store/run_upkeep.c",
    "src/store/schema1.c",
    "src/store/seal.c",
    "src/store/spans.c",
    "src/store/state.c",
    "src/store/statistics.c",
    "src/store/store.c",
    "src/store/usage_times.c",
    "src/store/write.c",
    "src/store/writer.c",
};

const store_tests = [_][]const u8{
    "tests/unit/store/test_audit.c",
    "tests/unit/store/test_claims.c",
    "tests/unit/store/test_dictionary.c",
    "tests/unit/store/test_file_check.c",
    "tests/unit/store/test_head.c",
    "tests/unit/store/test_journal.c",
    "tests/unit/store/test_kv.c",
    "tests/unit/store/test_pending.c",
    "tests/unit/store/test_queue.c",
    "tests/unit/store/test_rows_runs.c",
    "tests/unit/store/test_runs.c",
    "tests/unit/store/test_seal.c",
    "tests/unit/store/test_store.c",
    "tests/unit/store/test_usage_times.c",
    "tests/unit/store/test_writer.c",
};

const net_sources = [_][]const u8{
    "src/net/address.c",
    "src/net/client.c",
    "src/net/connection.c",
    "src/net/http.c",
    "src/net/http1.c",
    "src/net/http1_fields.c",
    "src/net/http1_response.c",
    "src/net/loop.c",
    "src/net/response.c",
    "src/net/router.c",
    "src/net/server.c",
    "src/net/session.c",
    "src/net/session_answer.c",
    "src/net/static_files.c",
    "src/net/tls.c",
    "src/net/tls_certificate.c",
};

const net_tests = [_][]const u8{
    "tests/unit/net/test_client.c",
    "tests/unit/net/test_corpus.c",
    "tests/unit/net/test_deadlines.c",
    "tests/unit/net/test_http1.c",
    "tests/unit/net/test_loop.c",
    "tests/unit/net/test_router.c",
    "tests/unit/net/test_server.c",
    "tests/unit/net/test_static_files.c",
    "tests/unit/net/test_tls.c",
    "tests/unit/net/test_tls_gcm.c",
};

const usage_sources = [_][]const u8{
    "src/usage/alerts.c",
    "src/usage/attributes.c",
    "src/usage/changes.c",
    "src/usage/correction.c",
    "src/usage/coverage.c",
    "src/usage/csv_records.c",
    "src/usage/difference.c",
    "src/usage/explain.c",
    "src/usage/fingerprint.c",
    "src/usage/history.c",
    "src/usage/import_audit.c",
    "src/usage/ingest.c",
    "src/usage/ingest_answer.c",
    "src/usage/ingest_parse.c",
    "src/usage/interpret.c",
    "src/usage/listing.c",
    "src/usage/listing_merge.c",
    "src/usage/meters.c",
    "src/usage/migrate.c",
    "src/usage/page_token.c",
    "src/usage/provider_report.c",
    "src/usage/provider_tree.c",
    "src/usage/rebuild.c",
    "src/usage/record.c",
    "src/usage/record_hash.c",
    "src/usage/record_scan.c",
    "src/usage/record_view.c",
    "src/usage/rejects.c",
    "src/usage/rejects_read.c",
    "src/usage/restore.c",
    "src/usage/sanity.c",
    "src/usage/sanity_report.c",
    "src/usage/sanity_rules.c",
    "src/usage/subscription_history.c",
    "src/usage/subscription_write.c",
    "src/usage/subscriptions.c",
    "src/usage/summary.c",
    "src/usage/summary_query.c",
    "src/usage/summary_scan.c",
    "src/usage/verify.c",
    "src/usage/verify_integrity.c",
    "src/usage/verify_journal.c",
    "src/usage/verify_sums.c",
    "src/usage/watermark_write.c",
    "src/usage/watermarks.c",
};

const usage_tests = [_][]const u8{
    "tests/unit/usage/test_changes.c",
    "tests/unit/usage/test_alerts.c",
    "tests/unit/usage/test_backup.c",
    "tests/unit/usage/test_concurrency.c",
    "tests/unit/usage/test_correction.c",
    "tests/unit/usage/test_csv_records.c",
    "tests/unit/usage/test_dedupe.c",
    "tests/unit/usage/test_durability.c",
    "tests/unit/usage/test_exact.c",
    "tests/unit/usage/test_explain.c",
    "tests/unit/usage/test_history.c",
    "tests/unit/usage/test_ingest.c",
    "tests/unit/usage/test_late_usage.c",
    "tests/unit/usage/test_listing.c",
    "tests/unit/usage/test_meters.c",
    "tests/unit/usage/test_migration.c",
    "tests/unit/usage/test_model.c",
    "tests/unit/usage/test_page_token.c",
    "tests/unit/usage/test_properties.c",
    "tests/unit/usage/test_provider_tree.c",
    "tests/unit/usage/test_record.c",
    "tests/unit/usage/test_record_plain.c",
    "tests/unit/usage/test_rebuild.c",
    "tests/unit/usage/test_recorded_hour.c",
    "tests/unit/usage/test_regressions.c",
    "tests/unit/usage/test_rejects.c",
    "tests/unit/usage/test_retention.c",
    "tests/unit/usage/test_sanity.c",
    "tests/unit/usage/test_short_memory.c",
    "tests/unit/usage/test_subscription_history.c",
    "tests/unit/usage/test_subscriptions.c",
    "tests/unit/usage/test_summary.c",
    "tests/unit/usage/test_summary_query.c",
    "tests/unit/usage/test_verify.c",
    "tests/unit/usage/test_watermarks.c",
    "tests/unit/usage/test_windows.c",
};

const identity_sources = [_][]const u8{
    "src/identity/password.c",
    "src/identity/role.c",
    "src/identity/token.c",
    "src/identity/user.c",
};

const identity_tests = [_][]const u8{
    "tests/unit/identity/test_tokens.c",
    "tests/unit/identity/test_users.c",
};

const registration_sources = [_][]const u8{
    "src/registration/activation.c",
    "src/registration/activation_key.c",
    "src/registration/billing_model.c",
    "src/registration/customers.c",
    "src/registration/customers_check.c",
    "src/registration/customers_file.c",
    "src/registration/customers_plan.c",
    "src/registration/customers_write.c",
    "src/registration/pasted.c",
    "src/registration/payer.c",
    "src/registration/registration.c",
    "src/registration/registration_history.c",
    "src/registration/registration_name.c",
    "src/registration/registration_token.c",
    "src/registration/registration_write.c",
    "src/registration/stamp.c",
    "src/registration/stamp_hardware.c",
};

const registration_tests = [_][]const u8{
    "tests/unit/registration/test_activation.c",
    "tests/unit/registration/test_activation_key.c",
    "tests/unit/registration/test_billing_model.c",
    "tests/unit/registration/test_customers.c",
    "tests/unit/registration/test_customers_check.c",
    "tests/unit/registration/test_customers_model.c",
    "tests/unit/registration/test_payer.c",
    "tests/unit/registration/test_registration.c",
    "tests/unit/registration/test_registration_lists.c",
    "tests/unit/registration/test_registration_token.c",
    "tests/unit/registration/test_stamp.c",
};

const commerce_sources = [_][]const u8{
    "src/commerce/approvals.c",
    "src/commerce/catalogue.c",
    "src/commerce/partners.c",
    "src/commerce/tenants.c",
    "src/commerce/tenants_periods.c",
    "src/commerce/tenants_sums.c",
};

const commerce_tests = [_][]const u8{
    "tests/unit/commerce/test_approvals.c",
    "tests/unit/commerce/test_catalogue.c",
    "tests/unit/commerce/test_tenants.c",
};

const api_sources = [_][]const u8{
    "src/api/activations.c",
    "src/api/alerts.c",
    "src/api/api.c",
    "src/api/approvals.c",
    "src/api/arm.c",
    "src/api/arm_resource.c",
    "src/api/audit.c",
    "src/api/changes.c",
    "src/api/commerce_subscriptions.c",
    "src/api/completeness.c",
    "src/api/corrections.c",
    "src/api/customer_calls.c",
    "src/api/customers_arm.c",
    "src/api/customers_import.c",
    "src/api/customers_native.c",
    "src/api/doctor.c",
    "src/api/explain.c",
    "src/api/heads.c",
    "src/api/findings.c",
    "src/api/identities.c",
    "src/api/jobs.c",
    "src/api/maintenance.c",
    "src/api/openapi.c",
    "src/api/operating.c",
    "src/api/parameters.c",
    "src/api/partners.c",
    "src/api/problem.c",
    "src/api/providers.c",
    "src/api/record_members.c",
    "src/api/records.c",
    "src/api/registration_health.c",
    "src/api/registration_stamp.c",
    "src/api/registrations.c",
    "src/api/registrations_actions.c",
    "src/api/registrations_native.c",
    "src/api/registrations_provider.c",
    "src/api/rejects.c",
    "src/api/retention.c",
    "src/api/routes.c",
    "src/api/sessions.c",
    "src/api/skip_token.c",
    "src/api/subscription_cache.c",
    "src/api/subscription_lookup.c",
    "src/api/subscription_resolver.c",
    "src/api/subscriptions.c",
    "src/api/summaries.c",
    "src/api/tenants.c",
    "src/api/usage_lists.c",
    "src/api/usage_post.c",
    "src/api/usage_rows.c",
    "src/api/watch.c",
    "src/api/watermarks.c",
};

const api_tests = [_][]const u8{
    "tests/unit/api/test_subscription_cache.c",
    "tests/unit/api/test_usage_rows.c",
};

/// All of cli but main.c, which only the program itself is linked with.
const cli_sources = [_][]const u8{
    "src/cli/admin.c",
    "src/cli/app.c",
    "src/cli/app_resolver.c",
    "src/cli/app_run.c",
    "src/cli/backup.c",
    "src/cli/bench.c",
    "src/cli/bench_ask.c",
    "src/cli/bench_fill.c",
    "src/cli/bench_ingest.c",
    "src/cli/bench_limit.c",
    "src/cli/bench_query.c",
    "src/cli/bench_server.c",
    "src/cli/check_config.c",
    "src/cli/cli.c",
    "src/cli/cpu.c",
    "src/cli/demo.c",
    "src/cli/demo_accounts.c",
    "src/cli/demo_commerce.c",
    "src/cli/demo_corrections.c",
    "src/cli/demo_history.c",
    "src/cli/demo_producers.c",
    "src/cli/demo_stamp.c",
    "src/cli/demo_tables.c",
    "src/cli/doctor.c",
    "src/cli/flags.c",
    "src/cli/gen_config.c",
    "src/cli/import.c",
    "src/cli/import_connection.c",
    "src/cli/import_https.c",
    "src/cli/import_reader.c",
    "src/cli/import_store.c",
    "src/cli/init.c",
    "src/cli/options.c",
    "src/cli/progress.c",
    "src/cli/registration.c",
    "src/cli/remote.c",
    "src/cli/report.c",
    "src/cli/serve.c",
    "src/cli/setup.c",
    "src/cli/token.c",
    "src/cli/user.c",
    "src/cli/verify.c",
    "src/cli/version.c",
};

const cli_tests = [_][]const u8{
    "tests/unit/cli/test_demo_corrections.c",
    "tests/unit/cli/test_demo_history.c",
    "tests/unit/cli/test_demo_stamp.c",
    "tests/unit/cli/test_flags.c",
    "tests/unit/cli/test_import_reader.c",
    "tests/unit/cli/test_options.c",
    "tests/unit/cli/test_setup.c",
};

/// Helpers that several test files share; linked into every unit test.
const test_support_sources = [_][]const u8{
    "tests/unit/support/folder.c",
    "tests/unit/support/records.c",
};

/// The simulation: the store and the usage domain over a disk with faults. See tests/sim/sim.c.
const sim_sources = [_][]const u8{
    "tests/sim/faults.c",
    "tests/sim/sim.c",
};

/// tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput; its corpus is tests/fuzz/corpus/NAME/.
const fuzz_targets = [_][]const u8{
    "activation_key",
    "canary",
    "correction",
    "csv",
    "customers_file",
    "decimal",
    "file_check",
    "filter",
    "http",
    "instant",
    "json",
    "page_token",
    "record",
    "registration_token",
    "skip_token",
};

/// tests/bench/bench_NAME.c: parts measured inside one process; printed, never asserted.
const benchmarks = [_]struct { name: []const u8, about: []const u8, needs: []const []const u8 }{
    .{
        .name = "parse",
        .about = "Nanoseconds a record: from a body to a batch, stage by stage",
        .needs = &.{ "base", "store", "usage" },
    },
    .{
        .name = "rows",
        .about = "Nanoseconds a record: its rows, by how many ids are known",
        .needs = &.{ "base", "store" },
    },
};

/// The program is to stay below 2 MB: what is not hot is made for size.
const small_flags = [_][]const u8{"-Os"};

const Layer = struct {
    name: []const u8,
    sources: []const []const u8,
    tests: []const []const u8,
    /// The layers that its files may include, and its tests are linked with.
    needs: []const []const u8,
    /// Nothing in it is done a thousand times a second: made for size.
    small: bool = false,
    /// The table of embedded files is linked in, too.
    assets: bool = false,
};

/// From the bottom up. tests/tidy.py holds the include rules; `needs` is what the linker sees of them.
const layers = [_]Layer{
    .{ .name = "base", .sources = &base_sources, .tests = &base_tests, .needs = &.{} },
    .{ .name = "store", .sources = &store_sources, .tests = &store_tests, .needs = &.{"base"} },
    .{ .name = "net", .sources = &net_sources, .tests = &net_tests, .needs = &.{"base"}, .assets = true },
    .{ .name = "usage", .sources = &usage_sources, .tests = &usage_tests, .needs = &.{ "base", "store" } },
    .{
        .name = "identity",
        .sources = &identity_sources,
        .tests = &identity_tests,
        .needs = &.{ "base", "store" },
        .small = true,
    },
    .{
        .name = "registration",
        .small = true,
        .sources = &registration_sources,
        .tests = &registration_tests,
        .needs = &.{ "base", "store" },
    },
    .{
        .name = "commerce",
        .small = true,
        .sources = &commerce_sources,
        .tests = &commerce_tests,
        .needs = &.{ "base", "store", "usage", "registration" },
    },
    .{
        .name = "api",
        .sources = &api_sources,
        .tests = &api_tests,
        .needs = &.{ "base", "store", "net", "usage", "identity", "registration", "commerce" },
        .assets = true,
    },
    .{
        .name = "cli",
        .small = true,
        .sources = &cli_sources,
        .tests = &cli_tests,
        .needs = &.{ "base", "store", "net", "usage", "identity", "registration", "commerce", "api" },
        .assets = true,
    },
};

// ---- Third-party sources ----

const Vendored = struct {
    name: []const u8,
    includes: []const []const u8,
    sources: []const []const u8,
    /// Those that are made for size.
    small_sources: []const []const u8 = &.{},
    defines: []const []const u8 = &.{},
    flags: []const []const u8 = &.{},
    own_includes: []const []const u8 = &.{},
    /// Folders of other libraries, from the folder of all libraries.
    other_includes: []const []const u8 = &.{},
    x86_64_defines: []const []const u8 = &.{},
    aarch64_defines: []const []const u8 = &.{},
    /// Parts of the library that are ours, from the root of the repository.
    our_sources: []const []const u8 = &.{},
};

const vendored = [_]Vendored{
    .{
        .name = "libuv",
        .includes = &.{"include"},
        .own_includes = &.{"src"},
        .defines = &.{"-D_GNU_SOURCE"},
        .flags = &.{"-fno-strict-aliasing"},
        .sources = &.{
            "src/timer.c",
            "src/unix/async.c",
            "src/unix/core.c",
            "src/unix/linux.c",
            "src/unix/loop-watcher.c",
            "src/unix/loop.c",
            "src/unix/stream.c",
            "src/unix/tcp.c",
        },
        .small_sources = &.{
            "src/fs-poll.c",
            "src/idna.c",
            "src/inet.c",
            "src/random.c",
            "src/strscpy.c",
            "src/strtok.c",
            "src/thread-common.c",
            "src/threadpool.c",
            "src/unix/dl.c",
            "src/unix/fs.c",
            "src/unix/getaddrinfo.c",
            "src/unix/getnameinfo.c",
            "src/unix/pipe.c",
            "src/unix/poll.c",
            "src/unix/process.c",
            "src/unix/procfs-exepath.c",
            "src/unix/proctitle.c",
            "src/unix/random-devurandom.c",
            "src/unix/random-getrandom.c",
            "src/unix/random-sysctl-linux.c",
            "src/unix/signal.c",
            "src/unix/thread.c",
            "src/unix/tty.c",
            "src/unix/udp.c",
            "src/uv-common.c",
            "src/uv-data-getter-setters.c",
            "src/version.c",
        },
    },
    .{
        .name = "lmdb",
        .includes = &.{"."},
        .sources = &.{ "mdb.c", "midl.c" },
        // src/store/kv_memory.h says why.
        .defines = &.{ "-Dmalloc=kv_memory_alloc", "-Dfree=kv_memory_free" },
    },
    .{
        .name = "mbedtls",
        .includes = &.{"include"},
        .own_includes = &.{"library"},
        .defines = &.{mbedtls_config},
        .our_sources = &.{"src/net/tls_gcm.c"},
        .other_includes = &.{"libsodium/src/libsodium/include"},
        // Those that src/net/mbedtls_config.h leaves empty are not listed.
        .sources = &.{
            "library/aes.c",
            "library/aesce.c",
            "library/aesni.c",
            "library/bignum.c",
            "library/bignum_core.c",
            "library/chacha20.c",
            "library/chachapoly.c",
            "library/constant_time.c",
            "library/ctr_drbg.c",
            "library/ecdh.c",
            "library/ecdsa.c",
            "library/ecp.c",
            "library/ecp_curves.c",
            "library/gcm.c",
            "library/md.c",
            "library/poly1305.c",
            "library/sha1.c",
            "library/sha256.c",
            "library/sha512.c",
            "library/ssl_msg.c",
        },
        .small_sources = &.{
            "library/asn1parse.c",
            "library/asn1write.c",
            "library/base64.c",
            "library/cipher.c",
            "library/cipher_wrap.c",
            "library/entropy.c",
            "library/entropy_poll.c",
            "library/error.c",
            "library/hkdf.c",
            "library/hmac_drbg.c",
            "library/oid.c",
            "library/pem.c",
            "library/pk.c",
            "library/pk_ecc.c",
            "library/pk_wrap.c",
            "library/pkcs5.c",
            "library/pkparse.c",
            "library/pkwrite.c",
            "library/platform.c",
            "library/platform_util.c",
            "library/psa_crypto.c",
            "library/psa_crypto_aead.c",
            "library/psa_crypto_cipher.c",
            "library/psa_crypto_client.c",
            "library/psa_crypto_driver_wrappers_no_static.c",
            "library/psa_crypto_ecp.c",
            "library/psa_crypto_hash.c",
            "library/psa_crypto_mac.c",
            "library/psa_crypto_random.c",
            "library/psa_crypto_rsa.c",
            "library/psa_crypto_slot_management.c",
            "library/psa_util.c",
            "library/rsa.c",
            "library/rsa_alt_helpers.c",
            "library/ssl_ciphersuites.c",
            "library/ssl_client.c",
            "library/ssl_ticket.c",
            "library/ssl_tls.c",
            "library/ssl_tls12_client.c",
            "library/ssl_tls12_server.c",
            "library/ssl_tls13_client.c",
            "library/ssl_tls13_generic.c",
            "library/ssl_tls13_keys.c",
            "library/ssl_tls13_server.c",
            "library/threading.c",
            "library/version.c",
            "library/x509.c",
            "library/x509_create.c",
            "library/x509_crt.c",
            "library/x509write.c",
            "library/x509write_crt.c",
        },
    },
    .{
        .name = "libsodium",
        .includes = &.{"src/libsodium/include"},
        .own_includes = &.{"src/libsodium/include/sodium"},
        // Only AES-256-GCM; src/net/tls_gcm.c has the two small functions that it wants of the rest.
        .sources = &.{
            "src/libsodium/crypto_aead/aes256gcm/aesni/aead_aes256gcm_aesni.c",
            "src/libsodium/crypto_aead/aes256gcm/armcrypto/aead_aes256gcm_armcrypto.c",
            "src/libsodium/crypto_verify/verify.c",
            "src/libsodium/sodium/runtime.c",
        },
        .defines = &.{ "-DCONFIGURED=1", "-DNATIVE_LITTLE_ENDIAN=1", "-DSODIUM_STATIC=1", "-DHAVE_GCC_MEMORY_FENCES=1" },
        .x86_64_defines = &.{
            "-DHAVE_CPUID=1",
            "-DHAVE_AVX_ASM=1",
            "-DHAVE_EMMINTRIN_H=1",
            "-DHAVE_PMMINTRIN_H=1",
            "-DHAVE_TMMINTRIN_H=1",
            "-DHAVE_SMMINTRIN_H=1",
            "-DHAVE_AVXINTRIN_H=1",
            "-DHAVE_WMMINTRIN_H=1",
        },
        .aarch64_defines = &.{ "-DHAVE_ARMCRYPTO=1", "-DHAVE_SYS_AUXV_H=1", "-DHAVE_GETAUXVAL=1" },
    },
    .{
        .name = "llhttp",
        .includes = &.{"include"},
        .sources = &.{ "src/api.c", "src/http.c", "src/llhttp.c" },
    },
    .{
        .name = "yyjson",
        // Numbers stay text and our own writer writes.
        .defines = &.{
            "-DYYJSON_DISABLE_WRITER=1",
            "-DYYJSON_DISABLE_UTILS=1",
            "-DYYJSON_DISABLE_NON_STANDARD=1",
            "-DYYJSON_DISABLE_FAST_FP_CONV=1",
        },
        .includes = &.{"."},
        .sources = &.{"yyjson.c"},
    },
    .{
        .name = "libdeflate",
        .includes = &.{"."},
        // Zig always passes the target's features one by one, which takes from clang the 512-bit registers that
        // these variants ask for by attribute.
        .defines = &.{
            "-DLIBDEFLATE_ASSEMBLER_DOES_NOT_SUPPORT_AVX512VNNI",
            "-DLIBDEFLATE_ASSEMBLER_DOES_NOT_SUPPORT_VPCLMULQDQ",
        },
        .sources = &.{
            "lib/adler32.c",
            "lib/arm/cpu_features.c",
            "lib/crc32.c",
            "lib/deflate_compress.c",
            "lib/deflate_decompress.c",
            "lib/gzip_compress.c",
            "lib/gzip_decompress.c",
            "lib/utils.c",
            "lib/x86/cpu_features.c",
        },
    },
};

const cmocka: Vendored = .{
    .name = "cmocka",
    .includes = &.{"include"},
    .sources = &.{"src/cmocka.c"},
    .defines = &.{
        "-DHAVE_CLOCK_GETTIME=1",
        "-DHAVE_CLOCK_REALTIME=1",
        "-DHAVE_GCC_THREAD_LOCAL_STORAGE=1",
        "-DHAVE_INTTYPES_H=1",
        "-DHAVE_MALLOC_H=1",
        "-DHAVE_SIGNAL_H=1",
        "-DHAVE_STRINGS_H=1",
        "-DHAVE_STRSIGNAL=1",
        "-DHAVE_STRUCT_TIMESPEC=1",
        "-DHAVE_TIME_H=1",
        "-DHAVE_UINTPTR_T=1",
        "-DHAVE_UNISTD_H=1",
        "-D_GNU_SOURCE",
    },
};

/// Headers that a library includes by their names alone.
const our_headers = "src/net/mbedtls";
const mbedtls_config = "-DMBEDTLS_CONFIG_FILE=\"net/mbedtls_config.h\"";

// ---- Flags ----

const own_flags = [_][]const u8{
    "-std=c17",
    "-D_GNU_SOURCE",
    mbedtls_config,
    "-fno-strict-aliasing",
};

const own_warnings = [_][]const u8{
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wconversion",
    "-Wvla",
    "-Wformat=2",
    "-Wswitch-enum",
    "-Wundef",
    "-Wimplicit-fallthrough",
    "-Werror",
};

/// ASan and UBSan of Debian's clang, because Zig ships no runtime for them; fuzzer-no-link adds the counters that
/// libFuzzer steers by, so that unit tests and fuzz targets share one set of objects.
const san_flags = [_][]const u8{
    "-O1",
    "-g",
    "-w",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined,fuzzer-no-link",
    "-fno-sanitize-recover=undefined",
};

const san_vendor_flags = [_][]const u8{ "-O2", "-g1", "-w", "-fno-omit-frame-pointer", "-fsanitize=address" };

// ---- Targets: a closed list, so that a build never depends on the machine it ran on ----

const Target = enum {
    @"x86_64-linux-musl",
    @"aarch64-linux-musl",

    fn cpu(target: Target) []const u8 {
        return switch (target) {
            // AES and carry-less multiplication at compile time select Mbed TLS's fast path for AES.
            .@"x86_64-linux-musl" => "x86_64_v2+aes+pclmul-fast_shld_rotate",
            .@"aarch64-linux-musl" => "baseline+aes+sha2",
        };
    }

    fn resolve(target: Target, b: *Build) Build.ResolvedTarget {
        return b.resolveTargetQuery(Build.parseTargetQuery(.{
            .arch_os_abi = @tagName(target),
            .cpu_features = target.cpu(),
        }) catch unreachable);
    }
};

/// What clang needs to hear to build for the same processor.
fn sanCpuFlags() []const []const u8 {
    return switch (builtin.cpu.arch) {
        .x86_64 => &.{ "-march=x86-64-v2", "-maes", "-mpclmul" },
        else => &.{"-march=armv8-a+crypto"},
    };
}

// ---- The build ----

const Options = struct {
    target: Target,
    optimize: std.builtin.OptimizeMode,
    strip: bool,
    version: []const u8,
    clang: []const u8,
};

/// What every compilation needs, made once.
const Context = struct {
    b: *Build,
    options: Options,
    /// The verified third-party sources, a folder per library.
    vendor: LazyPath,
    /// Generated headers, to be included as "generated/NAME.h".
    generated: LazyPath,
    assets: LazyPath,
};

pub fn build(b: *Build) void {
    const default_target: Target = if (builtin.cpu.arch == .aarch64) .@"aarch64-linux-musl" else .@"x86_64-linux-musl";
    const options: Options = .{
        .target = b.option(Target, "target", "What to build for (default: this machine's processor)") orelse default_target,
        .optimize = b.option(
            std.builtin.OptimizeMode,
            "optimize",
            "Of our own code (default: ReleaseSafe; third-party code is always ReleaseFast)",
        ) orelse .ReleaseSafe,
        .strip = b.option(bool, "strip", "Leave out debug information (default: no)") orelse false,
        .version = b.option([]const u8, "version", "The version that the program reports") orelse "0.1.0",
        .clang = b.option([]const u8, "clang", "For the sanitizer and fuzz builds (default: clang)") orelse "clang",
    };

    const fetch = fetchVendor(b);
    const context: Context = .{
        .b = b,
        .options = options,
        .vendor = fetch,
        .generated = generateHeaders(b),
        .assets = embedAssets(b, fetch),
    };

    const program = addProgram(context, options.target, options.optimize, options.strip);
    b.installArtifact(program.exe);

    // For editors, and for tests of the console without the program. By a rename: builds may run side by side.
    const link = b.addSystemCommand(&.{
        "sh", "-c", "ln -s \"$(cd \"$1\" && pwd)\" vendor/.src.$$ && mv -T vendor/.src.$$ vendor/.src", "sh",
    });
    link.addDirectoryArg(context.vendor);
    link.has_side_effects = true;
    b.getInstallStep().dependOn(&link.step);
    b.step("vendor", "Fetch the third-party sources and point vendor/.src at them").dependOn(&link.step);

    const run_step = b.step("run", "Build and start the demo (arguments after -- go to it)");
    const run = b.addRunArtifact(program.exe);
    run.addArg("demo");
    if (b.args) |args| run.addArgs(args);
    run.stdio = .inherit;
    run_step.dependOn(&run.step);

    addTests(context, program);
    addRelease(context);
    addFormat(b);
}

// ---- Third-party code and generated files ----

fn fetchVendor(b: *Build) LazyPath {
    const fetch = b.addSystemCommand(&.{"python3"});
    fetch.setName("fetch third-party sources");
    fetch.rename_step_with_output_arg = false;
    fetch.addFileArg(b.path("vendor/fetch.py"));
    fetch.addArg("--out");
    const folder = fetch.addOutputDirectoryArg("vendor");
    fetch.addFileInput(b.path("vendor/manifest.json"));
    fetch.addFileInput(b.path("vendor/SHA256SUMS"));
    return folder;
}

fn generateHeaders(b: *Build) LazyPath {
    const header = b.addSystemCommand(&.{"python3"});
    header.addFileArg(b.path("vendor/fetch.py"));
    header.addArg("--header");
    const file = header.addOutputFileArg("vendored.h");
    header.addFileInput(b.path("vendor/manifest.json"));
    const folder = b.addWriteFiles();
    _ = folder.addCopyFile(file, "generated/vendored.h");
    return folder.getDirectory();
}

/// The C table of the files that the program carries: web/, config/ and the console's libraries.
fn embedAssets(b: *Build, vendor: LazyPath) LazyPath {
    const embed = b.addSystemCommand(&.{"python3"});
    embed.setName("embed web/ and config/");
    embed.rename_step_with_output_arg = false;
    embed.addFileArg(b.path("web/embed.py"));
    embed.addArg("--out");
    const table = embed.addOutputFileArg("assets.c");
    embed.addArg("--vendor");
    embed.addDirectoryArg(vendor);
    for ([_][]const u8{ "web", "config" }) |root| {
        var folder = b.build_root.handle.openDir(b.graph.io, root, .{ .iterate = true }) catch continue;
        defer folder.close(b.graph.io);
        var walker = folder.walk(b.allocator) catch @panic("OOM");
        while (walker.next(b.graph.io) catch @panic("cannot read web/ or config/")) |entry| {
            if (entry.kind == .file) embed.addFileInput(b.path(b.pathJoin(&.{ root, entry.path })));
        }
    }
    return table;
}

fn joined(b: *Build, parts: []const []const []const u8) []const []const u8 {
    return std.mem.concat(b.allocator, []const u8, parts) catch @panic("OOM");
}

/// A section per function lets the linker leave out what nobody calls: a fifth of the program.
fn staticLibrary(b: *Build, name: []const u8, module: *Build.Module) *Build.Step.Compile {
    const library = b.addLibrary(.{ .name = name, .linkage = .static, .root_module = module });
    library.link_function_sections = true;
    library.link_data_sections = true;
    return library;
}

fn addVendored(context: Context, library: Vendored, target: Target) *Build.Step.Compile {
    const b = context.b;
    const root = context.vendor.path(b, library.name);
    const module = b.createModule(.{
        .target = target.resolve(b),
        // Unoptimised, TLS alone is six to eight times slower, which makes every test of it crawl.
        .optimize = .ReleaseFast,
        .link_libc = true,
        .pic = true,
        .unwind_tables = .none,
        // LMDB's and libuv's deliberate pointer arithmetic would trap.
        .sanitize_c = .off,
        .strip = context.options.strip,
    });
    for (library.includes) |path| module.addIncludePath(root.path(b, path));
    for (library.own_includes) |path| module.addIncludePath(root.path(b, path));
    for (library.other_includes) |path| module.addIncludePath(context.vendor.path(b, path));
    module.addIncludePath(b.path("src"));
    module.addIncludePath(b.path(our_headers));
    const cpu_defines = switch (target) {
        .@"x86_64-linux-musl" => library.x86_64_defines,
        .@"aarch64-linux-musl" => library.aarch64_defines,
    };
    const flags = joined(b, &.{ &.{"-w"}, library.defines, cpu_defines, library.flags });
    module.addCSourceFiles(.{ .root = root, .files = library.sources, .flags = flags });
    const small = joined(b, &.{ flags, &small_flags });
    module.addCSourceFiles(.{ .root = root, .files = library.small_sources, .flags = small });
    module.addCSourceFiles(.{ .files = library.our_sources, .flags = flags });
    return staticLibrary(b, library.name, module);
}

// ---- Our own code ----

const Program = struct {
    exe: *Build.Step.Compile,
    layers: [layers.len]*Build.Step.Compile,
    vendored: [vendored.len]*Build.Step.Compile,
    assets: *Build.Step.Compile,
};

fn ownModule(context: Context, target: Target, optimize: std.builtin.OptimizeMode, strip: bool) *Build.Module {
    const b = context.b;
    const module = b.createModule(.{
        .target = target.resolve(b),
        .optimize = optimize,
        .link_libc = true,
        .pic = true,
        .unwind_tables = .none,
        .strip = strip,
    });
    module.addIncludePath(b.path("src"));
    module.addIncludePath(b.path(our_headers));
    module.addIncludePath(context.generated);
    for (vendored) |library| {
        for (library.includes) |path| module.addSystemIncludePath(context.vendor.path(b, library.name).path(b, path));
    }
    return module;
}

fn ownFlags(context: Context) []const []const u8 {
    const b = context.b;
    const version = b.fmt("-DSTAMPMETER_VERSION=\"{s}\"", .{context.options.version});
    // Messages and debug information name files from the root of the repository, wherever it was cloned to.
    const prefix = b.fmt("-ffile-prefix-map={s}/=", .{b.build_root.path orelse "."});
    return joined(b, &.{ &own_flags, &own_warnings, &.{ version, prefix } });
}

fn addProgram(context: Context, target: Target, optimize: std.builtin.OptimizeMode, strip: bool) Program {
    const b = context.b;
    var program: Program = undefined;
    for (&program.vendored, vendored) |*library, description| library.* = addVendored(context, description, target);

    const table = ownModule(context, target, optimize, strip);
    table.addCSourceFile(.{ .file = context.assets, .flags = ownFlags(context) });
    program.assets = staticLibrary(b, "assets", table);

    for (&program.layers, layers) |*library, layer| {
        const module = ownModule(context, target, optimize, strip);
        const flags = joined(b, &.{ ownFlags(context), if (layer.small) &small_flags else &.{} });
        module.addCSourceFiles(.{ .files = layer.sources, .flags = flags });
        library.* = staticLibrary(b, layer.name, module);
    }

    const module = ownModule(context, target, optimize, strip);
    module.addCSourceFiles(.{ .files = &.{"src/cli/main.c"}, .flags = ownFlags(context) });
    for (0..layers.len) |index| linkLayer(module, program, index);
    for (program.vendored) |library| module.linkLibrary(library);
    module.linkLibrary(program.assets);
    program.exe = b.addExecutable(.{ .name = "stampmeter", .linkage = .static, .root_module = module });
    // A server that faces a network gets a random load address, although it is linked statically.
    program.exe.pie = true;
    program.exe.link_gc_sections = true;
    return program;
}

/// A layer that has no file yet has no library either: the archiver refuses to make an empty one.
fn linkLayer(module: *Build.Module, program: Program, index: usize) void {
    if (layers[index].sources.len > 0) module.linkLibrary(program.layers[index]);
}

fn layerIndex(name: []const u8) usize {
    for (layers, 0..) |layer, index| {
        if (std.mem.eql(u8, layer.name, name)) return index;
    }
    unreachable;
}

/// tests/unit/base/test_arena.c -> arena
fn testName(path: []const u8) []const u8 {
    const stem = std.fs.path.stem(path);
    return if (std.mem.startsWith(u8, stem, "test_")) stem["test_".len..] else stem;
}

/// A module for code of tests/unit: ours, with cmocka and the shared helpers in sight.
fn testModule(context: Context, sources: []const []const u8) *Build.Module {
    const b = context.b;
    const module = ownModule(context, context.options.target, context.options.optimize, context.options.strip);
    module.addSystemIncludePath(context.vendor.path(b, "cmocka/include"));
    module.addIncludePath(b.path("tests/unit"));
    module.addCSourceFiles(.{ .files = sources, .flags = ownFlags(context) });
    return module;
}

fn addUnitTest(context: Context, program: Program, layer: Layer, path: []const u8, kit: []const *Build.Step.Compile) *Build.Step.Compile {
    const b = context.b;
    const module = testModule(context, b.dupeStrings(&.{path}));
    for (kit) |library| module.linkLibrary(library);
    linkLayer(module, program, layerIndex(layer.name));
    for (layer.needs) |name| linkLayer(module, program, layerIndex(name));
    for (program.vendored) |library| module.linkLibrary(library);
    if (layer.assets) module.linkLibrary(program.assets);
    return b.addExecutable(.{
        .name = b.fmt("unit-{s}-{s}", .{ layer.name, testName(path) }),
        .linkage = .static,
        .root_module = module,
    });
}

/// LMDB once more, its writes and syncs redirected to the disk of tests/sim/faults.c.
const faulty_lmdb: Vendored = .{
    .name = "lmdb",
    .includes = &.{"."},
    .sources = &.{ "mdb.c", "midl.c" },
    .defines = &.{ "-Dpwrite=faults_pwrite", "-Dwritev=faults_writev", "-Dfdatasync=faults_fdatasync" },
};

fn addSimulation(context: Context, program: Program, kit: []const *Build.Step.Compile) *Build.Step.Compile {
    const b = context.b;
    const module = testModule(context, &sim_sources);
    module.addIncludePath(b.path("tests"));
    for (kit) |library| module.linkLibrary(library);
    for ([_][]const u8{ "usage", "store", "base" }) |name| linkLayer(module, program, layerIndex(name));
    module.linkLibrary(addVendored(context, faulty_lmdb, context.options.target));
    for (program.vendored, vendored) |library, description| {
        if (!std.mem.eql(u8, description.name, "lmdb")) module.linkLibrary(library);
    }
    return b.addExecutable(.{ .name = "sim", .linkage = .static, .root_module = module });
}

fn addBenchmark(context: Context, program: Program, name: []const u8, needs: []const []const u8) *Build.Step.Compile {
    const b = context.b;
    const module = ownModule(context, context.options.target, context.options.optimize, context.options.strip);
    module.addCSourceFiles(.{
        .files = b.dupeStrings(&.{b.fmt("tests/bench/bench_{s}.c", .{name})}),
        .flags = ownFlags(context),
    });
    for (needs) |layer| linkLayer(module, program, layerIndex(layer));
    for (program.vendored) |library| module.linkLibrary(library);
    return b.addExecutable(.{ .name = b.fmt("bench-{s}", .{name}), .linkage = .static, .root_module = module });
}

// ---- Sanitizer and fuzz builds, by Debian's clang ----

const Sanitized = struct {
    context: Context,
    prepare: *Build.Step,
    layers: [layers.len]LazyPath,
    vendored: [vendored.len]LazyPath,
    assets: LazyPath,
    cmocka: LazyPath,
    support: LazyPath,

    fn init(context: Context, prepare: *Build.Step) Sanitized {
        var san: Sanitized = undefined;
        san.context = context;
        san.prepare = prepare;
        for (&san.vendored, vendored) |*archive, library| archive.* = san.vendoredArchive(library);
        san.cmocka = san.vendoredArchive(cmocka);
        for (&san.layers, layers) |*archive, layer| archive.* = san.ownArchive(layer.name, layer.sources);
        san.support = san.ownArchive("test_support", &test_support_sources);
        san.assets = san.ownObject(context.assets);
        return san;
    }

    fn compiler(san: Sanitized) *Build.Step.Run {
        const clang = san.context.b.addSystemCommand(&.{san.context.options.clang});
        clang.step.dependOn(san.prepare);
        return clang;
    }

    fn compile(clang: *Build.Step.Run, source: LazyPath) LazyPath {
        clang.addArgs(&.{ "-c", "-MD", "-MF" });
        _ = clang.addDepFileOutputArg("object.d");
        clang.addFileArg(source);
        clang.addArg("-o");
        return clang.addOutputFileArg("object.o");
    }

    fn ownCompiler(san: Sanitized) *Build.Step.Run {
        const b = san.context.b;
        const clang = san.compiler();
        clang.addArgs(ownFlags(san.context));
        clang.addArgs(&san_flags);
        clang.addArgs(sanCpuFlags());
        clang.addPrefixedDirectoryArg("-I", b.path("src"));
        clang.addPrefixedDirectoryArg("-I", b.path(our_headers));
        clang.addPrefixedDirectoryArg("-I", b.path("tests/unit"));
        clang.addPrefixedDirectoryArg("-I", san.context.generated);
        for (vendored) |library| {
            for (library.includes) |path| {
                clang.addPrefixedDirectoryArg("-isystem", san.context.vendor.path(b, library.name).path(b, path));
            }
        }
        clang.addPrefixedDirectoryArg("-isystem", san.context.vendor.path(b, "cmocka/include"));
        return clang;
    }

    fn ownObject(san: Sanitized, source: LazyPath) LazyPath {
        return compile(san.ownCompiler(), source);
    }

    fn ownArchive(san: Sanitized, name: []const u8, sources: []const []const u8) LazyPath {
        const b = san.context.b;
        const objects = b.allocator.alloc(LazyPath, sources.len) catch @panic("OOM");
        for (objects, sources) |*object, path| object.* = san.ownObject(b.path(path));
        return san.archiveOf(name, objects);
    }

    fn vendoredArchive(san: Sanitized, library: Vendored) LazyPath {
        const b = san.context.b;
        const root = san.context.vendor.path(b, library.name);
        const theirs = joined(b, &.{ library.sources, library.small_sources });
        const count = theirs.len + library.our_sources.len;
        const objects = b.allocator.alloc(LazyPath, count) catch @panic("OOM");
        for (objects, 0..) |*object, index| {
            const ours = index >= theirs.len;
            const clang = san.compiler();
            clang.addArgs(library.defines);
            clang.addArgs(if (builtin.cpu.arch == .aarch64) library.aarch64_defines else library.x86_64_defines);
            clang.addArgs(library.flags);
            clang.addArgs(&san_vendor_flags);
            clang.addArgs(sanCpuFlags());
            for (library.includes) |path| clang.addPrefixedDirectoryArg("-I", root.path(b, path));
            for (library.own_includes) |path| clang.addPrefixedDirectoryArg("-I", root.path(b, path));
            for (library.other_includes) |path| clang.addPrefixedDirectoryArg("-I", san.context.vendor.path(b, path));
            clang.addPrefixedDirectoryArg("-I", b.path("src"));
            clang.addPrefixedDirectoryArg("-I", b.path(our_headers));
            const source = if (ours) b.path(library.our_sources[index - theirs.len]) else root.path(b, theirs[index]);
            object.* = compile(clang, source);
        }
        return san.archiveOf(library.name, objects);
    }

    fn archiveOf(san: Sanitized, name: []const u8, objects: []const LazyPath) LazyPath {
        // All objects are called object.o; q appends without replacing the one before.
        const ar = san.context.b.addSystemCommand(&.{ "ar", "qcsP" });
        const archive = ar.addOutputFileArg(san.context.b.fmt("lib{s}.a", .{name}));
        for (objects) |object| ar.addFileArg(object);
        return archive;
    }

    fn link(san: Sanitized, name: []const u8, flag: []const u8, object: LazyPath, needs: []const []const u8) LazyPath {
        const clang = san.compiler();
        clang.addArg(flag);
        clang.addFileArg(object);
        clang.addArg("-Wl,--start-group");
        for (needs) |need| clang.addFileArg(san.layers[layerIndex(need)]);
        clang.addFileArg(san.assets);
        clang.addFileArg(san.support);
        clang.addFileArg(san.cmocka);
        for (san.vendored) |archive| clang.addFileArg(archive);
        clang.addArgs(&.{ "-Wl,--end-group", "-pthread", "-ldl", "-lm", "-o" });
        return clang.addOutputFileArg(name);
    }

    fn unitTest(san: Sanitized, layer: Layer, path: []const u8) LazyPath {
        const b = san.context.b;
        const object = san.ownObject(b.path(path));
        const needs = joined(b, &.{ &.{layer.name}, layer.needs });
        const name = b.fmt("san-{s}-{s}", .{ layer.name, testName(path) });
        return san.link(name, "-fsanitize=address,undefined", object, needs);
    }

    fn fuzzTarget(san: Sanitized, name: []const u8) LazyPath {
        const b = san.context.b;
        const object = san.ownObject(b.path(b.fmt("tests/fuzz/fuzz_{s}.c", .{name})));
        const all = comptime names: {
            var list: [layers.len][]const u8 = undefined;
            for (&list, layers) |*entry, layer| entry.* = layer.name;
            const final = list;
            break :names &final;
        };
        return san.link(b.fmt("fuzz-{s}", .{name}), "-fsanitize=fuzzer,address,undefined", object, all);
    }
};

// ---- Tests ----

/// Every test step is tests/run.py with some of the artifacts: one place counts, one prints.
fn addRunner(b: *Build, step: *Build.Step, groups: []const []const u8) *Build.Step.Run {
    const runner = b.addSystemCommand(&.{"python3"});
    runner.setName(b.fmt("run {s}", .{step.name}));
    runner.addFileArg(b.path("tests/run.py"));
    for (groups) |group| runner.addArgs(&.{ "--group", group });
    runner.stdio = .inherit;
    step.dependOn(&runner.step);
    return runner;
}

fn addTests(context: Context, program: Program) void {
    const b = context.b;
    const check = b.step("check", "Compile everything, run nothing");
    check.dependOn(&program.exe.step);
    for (layers, program.layers) |layer, library| {
        const step = b.step(b.fmt("check:{s}", .{layer.name}), b.fmt("Compile src/{s} alone", .{layer.name}));
        if (layer.sources.len > 0) step.dependOn(&library.step);
    }

    const all_step = b.step("test", "Every test that CI runs (-- --help lists options)");
    const all = addRunner(b, all_step, &.{ "tidy", "unit", "san", "sim", "fuzz", "system" });
    const unit = addRunner(b, b.step("test:unit", "Unit tests of every layer"), &.{"unit"});
    const san_run = addRunner(b, b.step("san", "Unit tests under ASan and UBSan"), &.{"san"});
    const fuzz = addRunner(b, b.step("fuzz", "Each fuzz target for some seconds"), &.{"fuzz"});
    const system = addRunner(b, b.step("test:system", "Tests that drive the program from outside"), &.{"system"});
    _ = addRunner(b, b.step("test:tidy", "Rules of the source tree"), &.{"tidy"});
    const fuzz_build = b.step("fuzz:build", "Build the fuzz targets into zig-out/fuzz/");

    for ([_]*Build.Step.Run{ all, system }) |runner| runner.addPrefixedArtifactArg("--bin=", program.exe);

    const prepare = b.addSystemCommand(&.{"python3"});
    prepare.setName("find clang");
    prepare.addFileArg(b.path("tests/run.py"));
    prepare.addArgs(&.{ "--prepare", context.options.clang });
    prepare.has_side_effects = true;
    const san: Sanitized = .init(context, &prepare.step);

    const kit = [_]*Build.Step.Compile{
        addVendored(context, cmocka, context.options.target),
        staticLibrary(b, "test_support", testModule(context, &test_support_sources)),
    };
    for (layers) |layer| {
        const step = b.step(b.fmt("test:unit:{s}", .{layer.name}), b.fmt("Unit tests of src/{s}", .{layer.name}));
        const runner = addRunner(b, step, &.{"unit"});
        for (layer.tests) |path| {
            const exe = addUnitTest(context, program, layer, path, &kit);
            check.dependOn(&exe.step);
            const prefix = b.fmt("--unit={s}/{s}=", .{ layer.name, testName(path) });
            for ([_]*Build.Step.Run{ all, unit, runner }) |target| target.addPrefixedArtifactArg(prefix, exe);
            const sanitized = san.unitTest(layer, path);
            const san_prefix = b.fmt("--san={s}/{s}=", .{ layer.name, testName(path) });
            for ([_]*Build.Step.Run{ all, san_run }) |target| target.addPrefixedFileArg(san_prefix, sanitized);
        }
    }
    const sim_step = b.step("test:sim", "The simulation; zig-out/bin/sim replays a world");
    const sim_run = addRunner(b, sim_step, &.{"sim"});
    const simulation = addSimulation(context, program, &kit);
    sim_step.dependOn(&b.addInstallArtifact(simulation, .{}).step);
    check.dependOn(&simulation.step);
    for ([_]*Build.Step.Run{ all, sim_run }) |runner| runner.addPrefixedArtifactArg("--sim=sim=", simulation);

    for (benchmarks) |benchmark| {
        const run = b.addRunArtifact(addBenchmark(context, program, benchmark.name, benchmark.needs));
        run.stdio = .inherit;
        if (b.args) |args| run.addArgs(args);
        b.step(b.fmt("bench:{s}", .{benchmark.name}), benchmark.about).dependOn(&run.step);
    }
    for (fuzz_targets) |name| {
        const target = san.fuzzTarget(name);
        fuzz_build.dependOn(&b.addInstallFile(target, b.fmt("fuzz/{s}", .{name})).step);
        for ([_]*Build.Step.Run{ all, fuzz }) |runner| runner.addPrefixedFileArg(b.fmt("--fuzz={s}=", .{name}), target);
    }
    // Last, so that a later option of the caller wins over what the step says.
    if (b.args) |args| {
        for ([_]*Build.Step.Run{ all, unit, san_run, sim_run, fuzz, system }) |runner| runner.addArgs(args);
    }
}

// ---- Release and formatting ----

fn addRelease(context: Context) void {
    const b = context.b;
    const step = b.step("release", "Stripped binaries for every target, licences and checksums in zig-out/release/");
    const sums = b.addSystemCommand(&.{ "sh", "-c", "cd zig-out/release && sha256sum stampmeter-* licences.txt > SHA256SUMS" });
    sums.setCwd(b.path("."));
    sums.has_side_effects = true;
    for (std.enums.values(Target)) |target| {
        const program = addProgram(context, target, context.options.optimize, true);
        const name = b.fmt("stampmeter-{s}-{s}", .{ context.options.version, @tagName(target) });
        sums.step.dependOn(&b.addInstallFile(program.exe.getEmittedBin(), b.fmt("release/{s}", .{name})).step);
    }
    const licences = b.addSystemCommand(&.{"python3"});
    licences.addFileArg(b.path("vendor/fetch.py"));
    licences.addArg("--licences");
    const text = licences.addOutputFileArg("licences.txt");
    licences.addFileInput(b.path("vendor/manifest.json"));
    sums.step.dependOn(&b.addInstallFile(text, "release/licences.txt").step);
    step.dependOn(&sums.step);
}

fn addFormat(b: *Build) void {
    const step = b.step("fmt", "Format C and Zig sources (clang-format must be installed)");
    const format = b.addSystemCommand(&.{
        "sh", "-c", "find src tests -name '*.[ch]' -print0 | xargs -0 -r clang-format -i",
    });
    format.setCwd(b.path("."));
    format.has_side_effects = true;
    step.dependOn(&format.step);
    step.dependOn(&b.addFmt(.{ .paths = &.{"build.zig"} }).step);
}
