/* replay_steps.h - the steps of a trace, as numbers: for replay.pml and for the C of its checker. */
#ifndef MODEL_REPLAY_STEPS_H
#define MODEL_REPLAY_STEPS_H

#define STEP_JOIN 1
#define STEP_LEAVE 2
#define STEP_TAKE 3
#define STEP_ASK 4
#define STEP_WISH 5
#define STEP_UNASK 6
#define STEP_GIVE 7
#define STEP_ASKED_US 8
#define STEP_HAND 9
#define STEP_RECEIVE 10
#define STEP_RESIZE 11
#define STEP_DOOM 12
#define STEP_LOOK 13
#define STEP_STOP 14
#define STEP_FORGET 15
#define STEP_TAKE_BACK 16
#define STEP_ASK_EACH 17 /* an ask of who gets permits only */

#endif
