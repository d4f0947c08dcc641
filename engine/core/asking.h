/* asking.h - what an ear asks of the server by its connection, or of the ear that is home; one thing at a time. */
#ifndef CORE_ASKING_H
#define CORE_ASKING_H

#include "core/ear.h"

/* Asks to be told, or not to be told any more, what comes on all channels that are to be asked for. The
 * end is ear_answered(), later. False when out of memory. */
bool asking_begin(struct ear *e, bool is_leaving, ear_done *done);
/* Asks the connection whether it lives. */
bool asking_check(struct ear *e, ear_done *done);
/* Nobody wants to know any more. */
void asking_forget(struct ear *e);

#endif
