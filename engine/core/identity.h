/* identity.h - what a resource is, by value, so that the workers of a process find what is theirs together.
 *
 * Two workers that call different things alike share nothing. No secret is in it: who declares one thing in
 * several workers says the same secrets in all.
 */
#ifndef CORE_IDENTITY_H
#define CORE_IDENTITY_H

#include <stdint.h>

struct resource;

#define IDENTITY_ALL_ROLES (-1)

/* Of one sort of thing, for one role or all of them; the caller's to free. NULL when out of memory. */
char *identity_of(const struct resource *r, const char *sort, int32_t role);

#endif
