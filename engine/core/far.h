/* far.h - what goes to and fro between the ear that is home and those of other workers (relay.h).
 *
 * At home each of them is a hearer in the channels that it asked for, as if it were a listener here; each letter
 * that asks for more is one that is being opened.
 */
#ifndef CORE_FAR_H
#define CORE_FAR_H

#include "core/ear.h"

/* Does what the others have asked for since; e is home. */
void far_look(struct ear *e);
/* e is not: it hears what has come from the one that is. */
void far_read(struct ear *e);
/* Nobody is served any more, and nobody is told: they see that there is another home. */
void far_drop_all(struct ear *e);

#endif
