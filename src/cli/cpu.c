/* The x86-64 build is compiled for x86-64-v2 with AES and PCLMUL (build.zig). On anything less it would end in the
 * middle of something with an illegal instruction; this says so at the start instead. */
#include "cli/cpu.h"

#include <stddef.h>

#include "base/attributes.h"

#if defined(__x86_64__)
#include <cpuid.h>

struct feature {
    unsigned bit; /* of ECX, CPUID leaf 1 */
    const char *name;
};

const char *cpu_missing_feature(void)
{
    static const struct feature needed[] = {
        { bit_SSE3, "SSE3" },     { bit_SSSE3, "SSSE3" },           { bit_SSE4_1, "SSE4.1" }, { bit_SSE4_2, "SSE4.2" },
        { bit_POPCNT, "POPCNT" }, { bit_CMPXCHG16B, "CMPXCHG16B" }, { bit_AES, "AES" },       { bit_PCLMUL, "PCLMUL" },
    };
    unsigned eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0)
        return "CPUID";
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        if ((ecx & needed[i].bit) == 0)
            return needed[i].name;
    }
    return NULL;
}

#else

const char *cpu_missing_feature(void)
{
    return NULL;
}

#endif
