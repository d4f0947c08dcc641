/* replay.pml - what engines did to a ledger (spec/sim/ledger_trace.h), done again in the model of it (ledger.pml): the model
 * must be able to follow, step by step, and give what the ledger gave.
 *
 * A step of the trace is one transition here, with the name of the function. There is one path, and at each state of it the
 * books must agree. REPLAY_TRACE names the file, the lines of one ledger alone.
 */
#define REPLAY
#define WORKERS 8
#define ASKS 8
#include "ledger.pml"
#include "replay_steps.h"

c_code {
	\#include "replay.h"
}

byte step; /* see replay_steps.h */
int lines, at, result, number; /* the line, what the function gave or was given, and the first number behind it */
byte w;
short unheard[WORKERS]; /* steps of its own since it was told */
#define UNHEARD_MOST 500 /* one moment may have so many */

inline agree(what) {
	if
	:: what -> skip
	:: else -> c_code { replay_refuse(now.at, "this the model does not give"); }; assert(false)
	fi
}

/* Each permit that is out is somebody's, and what waits for him is his. */
inline inspect() {
	k = 0;
	coming = 0;
	do
	:: k < WORKERS ->
		coming = coming + held[k];
		agree(parcels[k] + granted[k] <= held[k]);
		k++
	:: else -> break
	od;
	agree(coming == out)
}

active proctype replay()
{
	bool ok;
	c_code { now.lines = replay_load(getenv("REPLAY_TRACE")); };
	do
	:: at < lines ->
		d_step {
			c_code {
				const struct replay_line *l = replay_line(now.at);
				now.step = l->step;
				now.w = l->worker;
				now.result = l->result;
				now.number = l->number[0];
				for (int i = 0; i < 8; i++)
					now.given[i] = i < l->count ? l->number[i] : 2147483647;
			};
			if
			:: step == STEP_JOIN ->
				permits_join(w, result)
			:: step == STEP_STOP -> permits_stop(w)
			:: step == STEP_LEAVE -> agree(parcels[w] == 0 && held[w] == 0); permits_leave(w)
			:: step == STEP_TAKE -> permits_take(w, ok); agree(ok == result)
			:: step == STEP_ASK -> permits_ask(w, given[0], ok); agree(ok == result)
			:: step == STEP_ASK_EACH ->
				only_permits[w] = true;
				permits_ask(w, given[0], ok);
				agree(ok == result)
			:: step == STEP_WISH -> permits_wish(w, given[0])
			:: step == STEP_FORGET -> permits_forget(w, number)
			:: step == STEP_UNASK -> permits_unask(w)
			:: step == STEP_GIVE -> agree(held[w] > 0); permits_give(w)
			:: step == STEP_ASKED_US ->
				permits_asked_us(w);
				if
				:: first == NONE -> agree(result == -1)
				:: else -> agree(result == ask[first])
				fi
			:: step == STEP_HAND -> permits_hand(w, given[0]); agree(result == (first != NONE))
			:: step == STEP_RECEIVE -> agree(granted[w] == result && parcels[w] == number); permits_receive(w)
			:: step == STEP_TAKE_BACK -> agree(told[result] && w != result); permits_take_back(result)
			:: step == STEP_RESIZE -> permits_resize(result)
			:: step == STEP_DOOM -> permits_doom(w, ok); agree(ok == result)
			:: step == STEP_LOOK -> agree(told[w]); told[w] = false
			:: else -> agree(false)
			fi;
			inspect();
			unheard[w] = (told[w] -> unheard[w] + 1 : 0);
			agree(unheard[w] < UNHEARD_MOST);
			at++
		}
	:: else -> break
	od;
	c_code { replay_end(now.at); }
}
