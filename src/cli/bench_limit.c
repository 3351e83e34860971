/* The process tells its address through a pipe; at its end (also that of an error) the pipe closes. */
#include "cli/bench_limit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/server.h"
#include "net/tls.h"

#define CERTIFICATE_DAYS 2

static void on_request(struct http_exchange *exchange, void *context)
{
    const char *bytes = context;
    struct text path = http_request(exchange)->path;
    unsigned long long size = 0;
    if (path.len < 2 || !text_to_u64((struct text){ path.ptr + 1, path.len - 1 }, &size) ||
        size > BENCH_LIMIT_BYTES_MAX)
        http_respond_empty(exchange, 404);
    else
        http_respond_static(exchange, 200, TEXT("application/json; charset=utf-8"),
                            (struct text){ bytes, (size_t)size });
}

static err_t make_tls(const char *ca_file, struct tls_server **out, struct error_info *info)
{
    struct buffer certificate = { 0 }, key = { 0 };
    err_t error = tls_global_init(info);
    if (error == ERROR_OK)
        error =
            tls_make_certificate(TEXT_NONE, clock_wall_ns(clock_system()), CERTIFICATE_DAYS, &certificate, &key, info);
    if (error == ERROR_OK)
        error = file_write_durable(ca_file, buffer_text(&certificate), 0644, info);
    if (error == ERROR_OK)
        error = tls_server_new(buffer_text(&certificate), buffer_text(&key), out, info);
    buffer_free(&certificate);
    buffer_free(&key);
    return error;
}

/* The child: serves until it is killed. */
NORETURN static void serve(const char *ca_file, int out_fd)
{
    struct error_info info = { 0 };
    struct loop *loop = NULL;
    struct server *server = NULL;
    struct server_options options = { .listen = TEXT("127.0.0.1:0"), .on_request = on_request };
    char *bytes = memory_alloc(BENCH_LIMIT_BYTES_MAX);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    err_t error = bytes != NULL ? make_tls(ca_file, &options.tls, &info) : ERROR_NO_MEMORY;
    if (error == ERROR_OK) {
        memset(bytes, 'x', BENCH_LIMIT_BYTES_MAX);
        options.context = bytes;
        error = loop_new(clock_system(), &loop);
    }
    if (error == ERROR_OK)
        error = server_start(loop, &options, &server, &info);
    if (error == ERROR_OK) {
        struct text address = server_address(server);
        if (write(out_fd, address.ptr, address.len) == (ssize_t)address.len) {
            close(out_fd);
            loop_run(loop);
        }
    }
    _exit(1);
}

static err_t read_address(struct bench_limit *limit, int fd, struct error_info *info)
{
    char address[64];
    size_t length = 0;
    for (;;) {
        ssize_t got = read(fd, address + length, sizeof address - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || length == sizeof address - 1)
            break;
        length += (size_t)got;
    }
    if (length == 0)
        return error_set(info, ERROR_IO, NULL, "the process that shows the limit did not start");
    (void)snprintf(limit->url, sizeof limit->url, "https://%.*s", (int)length, address);
    return ERROR_OK;
}

err_t bench_limit_start(struct bench_limit *limit, const char *folder, struct error_info *info)
{
    int ends[2];
    *limit = (struct bench_limit){ 0 };
    if (snprintf(limit->ca_file, sizeof limit->ca_file, "%s/limit.pem", folder) >= (int)sizeof limit->ca_file)
        return error_set(info, ERROR_IO, NULL, "the path of the folder is too long");
    if (pipe(ends) != 0)
        return error_set(info, ERROR_IO, NULL, "%s", strerror(errno));
    limit->pid = fork();
    if (limit->pid == 0) {
        close(ends[0]);
        serve(limit->ca_file, ends[1]);
    }
    close(ends[1]);
    err_t error = limit->pid > 0 ? read_address(limit, ends[0], info)
                                 : error_set(info, ERROR_IO, NULL, "no process: %s", strerror(errno));
    close(ends[0]);
    if (error != ERROR_OK)
        bench_limit_stop(limit);
    return error;
}

void bench_limit_stop(struct bench_limit *limit)
{
    if (limit->pid > 0) {
        kill(limit->pid, SIGKILL);
        waitpid(limit->pid, NULL, 0);
    }
    limit->pid = 0;
}
