/* frame.h - what hub.c and nebula-hub.c say to each other: a line of numbers, and bytes behind it.
 *
 *   client  VERB WINDOW PARTS EACH TRACE SIZE\n bytes     a batch is followed by its parts; the window
 *                                                         of a RUN is the role
 *   server  role IS_COPY 0 0 0 0 0 0\n                    once, first
 *           row 0 0 0 0 0 0 SIZE\n bytes                  a cell of what ends next
 *           told FROM 0 0 0 0 CHANNEL SIZE\n bytes        the channel's name, then what was told
 *           turned 0 0 0 0 0 0 0\n                        it takes no writes any more
 *           end CODE CHANGED FLAGS PART LINE 0 SIZE\n bytes
 */
#ifndef LIBRARY_HUB_FRAME_H
#define LIBRARY_HUB_FRAME_H

#define FRAME_MOST 65536 /* bytes with what stands behind it */

enum {
    HAS_MORE = 1,
    WANTS_INPUT = 2,
    WANTS_WRITER = 4,
    WANTS_AGAIN = 8,
};

#endif
