/* A planted heap overflow behind a five-byte key. tests/run.py expects the fuzzer to find it: as long as it does,
 * the silence of the other targets means something. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char key[] = "stamp";
    size_t known = 0;
    while (known < size && known < sizeof key - 1 && data[known] == (uint8_t)key[known]) {
        known++;
    }
    /* volatile: memory that is freed at once need not be written, says the optimiser. */
    volatile char *room = malloc(sizeof key - 1);
    if (room != NULL) {
        room[known == sizeof key - 1 ? known : 0] = 0;
        free((void *)room);
    }
    return 0;
}
