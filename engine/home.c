#include "home.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NEBULA_PREFIX /* make PREFIX=... */
#define NEBULA_PREFIX "/usr/local"
#endif

bool home_is(const char *folder)
{
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/lua/nebula/c.lua", folder);
    return size < (int)sizeof path && access(path, R_OK) == 0;
}

/* Leaves home alone, or makes it the home that is in its share/. */
static bool is_or_shares(char *home)
{
    char share[PATH_MAX];
    if (home_is(home))
        return true;
    int size = snprintf(share, sizeof share, "%s/share/nebula", home);
    if (size >= (int)sizeof share || !home_is(share))
        return false;
    memcpy(home, share, (size_t)size + 1);
    return true;
}

bool home_find(char *home, const char *above)
{
    const char *told = getenv("NEBULA_HOME");
    if (told != NULL && *told != '\0')
        return realpath(told, home) != NULL && home_is(home);
    char *slash, folder[PATH_MAX] = "";
    if (above != NULL && realpath(above, folder) == NULL)
        folder[0] = '\0';
    while ((slash = strrchr(folder, '/')) != NULL && slash != folder) {
        *slash = '\0';
        memcpy(home, folder, strlen(folder) + 1);
        if (is_or_shares(home))
            return true;
    }
    return realpath(NEBULA_PREFIX, home) != NULL && is_or_shares(home);
}
