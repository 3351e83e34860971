/* Fuzz target: whatever bytes a data file holds, file_check ends, neither crashes nor reads where it may not, and finds
 * something wrong or counts each page once. The input has pages of 256 bytes, so that small inputs make trees. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "store/file_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_fault(void *context, const char *sentence)
{
    REQUIRE(sentence[0] != '\0');
    ++*(unsigned *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t uses[1 << 20];
    static int fd = -1;
    unsigned faults = 0;
    struct file_check_report report;
    if (size > sizeof uses)
        return 0;
    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    memset(uses, 0, size);
    struct file_check_options options = {
        .fd = fd, .all_tables = size % 2 == 0, .fault = count_fault, .context = &faults, .uses = uses
    };
    err_t error = file_check(&options, &report);
    REQUIREF(error == ERROR_OK, "error=%d", (int)error);
    REQUIRE(faults == (report.faults < FILE_FAULTS_MAX ? report.faults : FILE_FAULTS_MAX));
    REQUIRE(report.file_size_bytes == size);
    return 0;
}
