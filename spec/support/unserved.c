#include "unserved.h"

#include <stdio.h>

int64_t unserved_us(pid_t thread)
{
    char path[64];
    long long ns = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)thread);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*d %lld", &ns) != 1)
        ns = 0;
    fclose(f);
    return ns / 1000;
}
