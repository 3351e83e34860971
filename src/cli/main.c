/* The program's entry point. */
#include <stdio.h>

int main(void) {
    printf("stampmeter %s\n", STAMPMETER_VERSION);
    return 0;
}
