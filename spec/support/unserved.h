/* unserved.h - for how long others had the processor while a thread could have run: what the machine takes is not what
 * the engine takes.
 */
#ifndef SPEC_UNSERVED_H
#define SPEC_UNSERVED_H

#include <stdint.h>
#include <sys/types.h>

/* Of a thread of this process, since it began; 0 where the kernel does not say. */
int64_t unserved_us(pid_t thread);

#endif
