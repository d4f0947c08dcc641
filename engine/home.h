/* home.h - nebula's own folder: the one with lua/, resources/, policies/ and engine/nebula.h.
 *
 * It is what NEBULA_HOME says; or the nearest folder above the program or the library that is one,
 * or has one as its share/nebula; or where it was meant to be installed.
 */
#ifndef HOME_H
#define HOME_H

#include <stdbool.h>

/* Fills home, of PATH_MAX bytes. above: a file to look above of; NULL: none. False when there is none:
 * what NEBULA_HOME says is not looked past. */
bool home_find(char *home, const char *above);
/* Whether the folder is one. */
bool home_is(const char *folder);

#endif
