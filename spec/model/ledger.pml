/* ledger.pml - the permits of one pool, and the workers that share them: core/ledger.c and what core/handover.c does
 * with it. Spin looks at every order in which things can happen.
 *
 * What is done under the lock of the permits is one step, as it is there, and has the name that it has there. Between two
 * steps of a worker anything of the others may happen. Waiters have numbers in the order in which they came. What is
 * promised:
 *
 *   - never more connections than permits, never more permits than max but after a resize;
 *   - each permit is held by somebody, each connection by one worker;
 *   - who came first is served first, wherever he waits, as far as it is known where he is served;
 *   - nobody waits for ever: a state in which nothing can happen any more and somebody waits is found as an invalid end;
 *   - at the end nothing is left over.
 *
 * FAULT=n plants a mistake. Each must be found: see ledger_spec.sh.
 */
#ifndef FAULT
#define FAULT 0
#endif
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef MAX
#define MAX 2
#endif
#ifndef ARRIVALS
#define ARRIVALS 4
#endif

#ifndef EVENTS
#define EVENTS 1
#endif

/* The first worker keeps one, for nobody in particular. */
#ifndef MIN
#define MIN 0
#endif

/* So many waiters of a worker ask at once. Here one does; where the model follows what was done to a ledger (replay.pml)
 * as many as there, with the times at which they came. */
#ifndef ASKS
#define ASKS 1
#define NUMBER byte
#define NOBODY 255
#else
#define NUMBER int
#define NOBODY 2147483647
NUMBER given[ASKS]; /* what is asked for now */
NUMBER behind[WORKERS * ASKS] = NOBODY; /* the first, of whom is no need here, and those behind him */
#endif

#define NONE 255 /* of the workers */

/* --- under the lock --------------------------------------------------------------------------- */

byte out, doomed, cap = MAX;
byte held[WORKERS], granted[WORKERS], parcels[WORKERS];
NUMBER ask[WORKERS] = NOBODY; /* the number of the first waiter */
bool alone[WORKERS]; /* whom a permit alone serves too: nothing is being opened for him */
bool told[WORKERS], gone[WORKERS];
bool needy[WORKERS]; /* it wanted a permit for nobody in particular, and there was none */

/* --- a worker's own --------------------------------------------------------------------------- */

#ifdef REPLAY
bool here[WORKERS], leaving[WORKERS];
#endif

#define has_excess (out > cap + doomed)
byte idle[WORKERS];
byte spare[WORKERS]; /* permits that it was granted and has not used */
#ifndef REPLAY
byte waits[WORKERS] = NOBODY; /* the number of its waiter: one at a time */
byte leased[WORKERS], opening[WORKERS], closing[WORKERS];
bool gate[WORKERS];  /* it knows that somebody elsewhere asks, and looks at what comes home */
byte came;           /* so many waiters */
byte deadlines = EVENTS, failures = EVENTS, closings = EVENTS, deaths = EVENTS, lates = EVENTS;

#define SUM(what) (what[0] + what[1] + what[WORKERS - 1] * (WORKERS > 2))
#define live(w) (idle[w] + leased[w] + opening[w] + closing[w])
#if FAULT == 21
#define may_use true
#else
#define may_use (out <= cap) /* what was granted before max became less */
#endif
#define nobody_waits ((waits[0] & waits[1] & waits[WORKERS - 1]) == NOBODY)
#endif

hidden byte first, k, coming, other; /* of one step, and of no meaning between two */
hidden NUMBER was;

inline tell(w) {
	if
	:: gone[w] -> skip
	:: else -> told[w] = true
	fi
}

inline oldest(but, is_alone) {
	first = NONE;
	k = 0;
	do
	:: k < WORKERS ->
		if
		:: k != but && ask[k] != NOBODY && (!is_alone || alone[k]) &&
#if FAULT == 8
		   (first == NONE || ask[k] > ask[first]) -> first = k
#else
		   (first == NONE || ask[k] < ask[first]) -> first = k
#endif
		:: else -> skip
		fi;
		k++
	:: else -> break
	od;
	skip
}

inline put_out(w) {
	ask[w] = NOBODY;
#if ASKS > 1
	k = 1;
	do
	:: k < ASKS -> behind[w * ASKS + k] = NOBODY; k++
	:: else -> break
	od;
#endif
	alone[w] = false
}

/* It has what the first of its waiters asked for. */
inline drop_ask(w) {
#if ASKS > 1
	ask[w] = behind[w * ASKS + 1];
	k = 1;
	do
	:: k < ASKS - 1 -> behind[w * ASKS + k] = behind[w * ASKS + k + 1]; k++
	:: else -> break
	od;
	behind[w * ASKS + ASKS - 1] = NOBODY;
	alone[w] = alone[w] && ask[w] != NOBODY
#else
	put_out(w)
#endif
}

/* There is a permit that nobody asks for. */
inline tell_needy() {
	k = 0;
	do
	:: k < WORKERS ->
		if
		:: needy[k] && FAULT != 22 -> tell(k)
		:: else -> skip
		fi;
		needy[k] = needy[k] && FAULT == 22;
		k++
	:: else -> break
	od;
	skip
}

inline take(w, ok) {
	ok = false;
	if
#if FAULT == 2
	:: out <= cap ->
#else
	:: out < cap ->
#endif
#if FAULT != 1
		out++;
#endif
		held[w]++;
		ok = true
	:: else -> skip
	fi
}

/* Whoever it goes to, nobody came before him. */
inline move(from, to, is_alone) {
	k = 0;
	do
	:: k < WORKERS -> assert(ask[k] >= ask[to] || (is_alone && !alone[k])); k++
	:: else -> break
	od;
#if FAULT != 7
	held[from]--;
#endif
	held[to]++;
	drop_ask(to);
	tell(to)
}

inline pass_on(w) {
	first = NONE;
#if FAULT != 5
	if
	:: doomed > 0 || has_excess -> skip
	:: else -> oldest(NONE, true)
	fi;
#endif
	if
	:: doomed > 0 -> doomed--
	:: else -> skip
	fi;
	if
	:: first == NONE -> held[w]--; out--; tell_needy()
	:: else -> granted[first]++; move(w, first, true)
	fi
}

inline permits_take(w, ok) {
	take(w, ok);
	needy[w] = !ok
}

/* Where permits come alone holders hear of each one more that is asked for. Here whatever is held can be handed on. */
#ifdef REPLAY
bool only_permits[WORKERS];
hidden byte alone_before, alone_now;

inline count_alone(w, count) {
	count = (alone[w] && ask[w] != NOBODY -> 1 : 0);
	k = 1;
	do
	:: k < ASKS && count == k && behind[w * ASKS + k] != NOBODY -> count++; k++
	:: else -> break
	od
}
#define asks_for_more(w) ((was == NOBODY && ask[w] != NOBODY) || (only_permits[w] && alone_now > alone_before))
#else
#define count_alone(w, count) skip
#define asks_for_more(w) (was == NOBODY && ask[w] != NOBODY)
#endif

/* What is on its way is for the first waiters: they ask for no more. */
inline put_ask(w, number, is_alone) {
	was = ask[w];
	count_alone(w, alone_before);
	ask[w] = number;
#if ASKS > 1
	k = 1;
	do
	:: k < ASKS -> behind[w * ASKS + k] = given[k]; k++
	:: else -> break
	od;
#endif
	alone[w] = is_alone && ask[w] != NOBODY;
	coming = parcels[w] + granted[w];
	do
	:: coming > 0 && FAULT != 19 -> drop_ask(w); coming--
	:: else -> break
	od;
#if FAULT != 3
	count_alone(w, alone_now);
	if
	:: asks_for_more(w) ->
		k = 0;
		do
		:: k < WORKERS ->
			if
			:: k != w && held[k] > 0 -> tell(k)
			:: else -> skip
			fi;
			k++
		:: else -> break
		od
	:: else -> skip
	fi;
#endif
	skip
}

inline permits_ask(w, number, ok) {
	ok = false;
#if FAULT != 4
	take(w, ok);
#endif
	if
	:: ok -> skip
	:: else -> put_ask(w, number, true)
	fi;
	skip
}

/* While one is being opened: a permit alone is of no use. */
inline permits_wish(w, number) {
	put_ask(w, number, false)
}

/* One of several; of one waiter nobody else is asked for. */
#if ASKS > 1
inline permits_forget(w, number) {
	if
	:: ask[w] == number -> drop_ask(w)
	:: else ->
		k = 1;
		do
		:: k < ASKS && behind[w * ASKS + k] != number -> k++
		:: else -> break
		od;
		do
		:: k < ASKS - 1 -> behind[w * ASKS + k] = behind[w * ASKS + k + 1]; k++
		:: else -> break
		od;
		if
		:: k == ASKS - 1 -> behind[w * ASKS + k] = NOBODY
		:: else -> skip
		fi
	fi
}
#endif

inline permits_unask(w) {
	put_out(w)
}

inline permits_give(w) {
	assert(held[w] > 0);
	pass_on(w)
}

inline permits_asked_us(w) {
	oldest(w, false)
}

/* first: who has it now. */
inline permits_hand(w, before) {
	first = NONE;
#if FAULT != 6
	if
	:: has_excess -> skip
	:: else ->
#endif
		oldest(w, false)
#if FAULT != 6
	fi
#endif
	;
	if
#if FAULT != 23
	:: first != NONE && ask[first] >= before -> first = NONE
#endif
	:: else -> skip
	fi;
	assert(first == NONE || ask[first] < before);
	if
	:: first != NONE -> parcels[first]++; move(w, first, false)
	:: else -> skip
	fi
}

inline permits_receive(w) {
	idle[w] = idle[w] + parcels[w];
	parcels[w] = 0;
#if FAULT != 9
	spare[w] = spare[w] + granted[w];
#endif
	granted[w] = 0
}

/* v was told, and does not turn. */
inline permits_take_back(v) {
	put_out(v);
	do
	:: parcels[v] > 0 && doomed == 0 && !has_excess ->
		oldest(v, false);
		if
		:: first == NONE -> break
		:: else ->
#if FAULT != 24
			parcels[v]--;
#endif
			parcels[first]++;
			move(v, first, false)
		fi
	:: else -> break
	od;
	do
	:: granted[v] > 0 && doomed == 0 && !has_excess ->
		oldest(v, true);
		if
		:: first == NONE -> break
		:: else -> granted[v]--; granted[first]++; move(v, first, true)
		fi
	:: else -> break
	od;
	skip
}

inline permits_resize(max) {
	cap = max;
#if FAULT != 15
	do
	:: doomed > 0 && out < cap + doomed -> doomed--
	:: else -> break
	od;
#endif
	do
	:: true ->
#if FAULT == 14
		break;
#endif
		oldest(NONE, true);
		if
		:: first != NONE && out < cap ->
			out++;
			held[first]++;
			granted[first]++;
			drop_ask(first);
			tell(first)
		:: else -> break
		fi
	od;
	if
	:: out < cap -> tell_needy()
	:: else -> skip
	fi
}

inline permits_doom(w, ok) {
	ok = has_excess;
	if
	:: ok -> doomed++
	:: else -> skip
	fi
}

/* Here nobody comes, and all count by the same max. */
#ifdef REPLAY
inline permits_join(w, max) {
	first = NONE;
	k = 0;
	do
	:: k < WORKERS ->
		if
		:: here[k] && !leaving[k] -> first = k
		:: else -> skip
		fi;
		k++
	:: else -> break
	od;
	if
	:: first == NONE -> cap = max
	:: else -> skip
	fi;
	here[w] = true;
	gone[w] = false
}

inline permits_stop(w) {
	leaving[w] = true
}
#endif

inline permits_leave(w) {
	assert(parcels[w] == 0 && held[w] == 0);
#ifdef REPLAY
	here[w] = false;
	leaving[w] = false;
#endif
	put_out(w);
	needy[w] = false;
	gone[w] = true;
	told[w] = false
}

#ifndef REPLAY

/* --- a worker --------------------------------------------------------------------------------- */

/* Somebody elsewhere waits longer than anybody here, as far as it is known. */
inline is_due(w, ok) {
	permits_asked_us(w);
	ok = gate[w] && first != NONE && ask[first] < waits[w]
}

inline watch(w) {
	permits_asked_us(w);
	gate[w] = first != NONE
}

/* With its permit; never more than there may be now, whatever there was before. */
inline open(w) {
	opening[w]++;
	assert(SUM(idle) + SUM(leased) + SUM(opening) + SUM(closing) + SUM(parcels) <= cap)
}

/* Nobody is passed over who is known to ask and came before. */
inline serve(w) {
	permits_asked_us(w);
	assert(first == NONE || ask[first] > waits[w] || !gate[w]);
	waits[w] = NOBODY;
	permits_unask(w)
}

proctype worker(byte w)
{
	bool ok;
	do
	/* somebody comes, and may have no patience */
	:: d_step { waits[w] == NOBODY && came < ARRIVALS -> waits[w] = came; came++ }
	:: d_step { waits[w] != NOBODY && deadlines > 0 -> deadlines--; waits[w] = NOBODY; permits_unask(w) }

	/* is lent what is idle */
	:: d_step { waits[w] != NOBODY && idle[w] > 0 ->
#if FAULT == 16
		ok = false;
#else
		is_due(w, ok);
#endif
		if
		:: ok -> skip
		:: else -> idle[w]--; leased[w]++; serve(w)
		fi }
	:: d_step { leased[w] > 0 -> leased[w]--; idle[w]++ }

	/* opens what is missing; to ask again for the same one changes nothing */
	:: d_step { waits[w] != NOBODY && idle[w] + opening[w] == 0 &&
		((spare[w] > 0 && may_use) || ((ask[w] != waits[w] || !alone[w]) && (FAULT == 19 || parcels[w] + granted[w] == 0))) ->
		if
		:: spare[w] > 0 && may_use -> spare[w]--; open(w)
		:: else ->
			permits_ask(w, waits[w], ok);
			if
			:: ok -> open(w)
			:: else -> skip
			fi
		fi;
		watch(w) }
	:: d_step { waits[w] != NOBODY && opening[w] > 0 && ask[w] != waits[w] && parcels[w] + granted[w] == 0 ->
		permits_wish(w, waits[w]); watch(w) }
	:: d_step { opening[w] > 0 -> opening[w]--; idle[w]++; watch(w) }
	:: d_step { opening[w] > 0 && failures > 0 -> failures--; opening[w]--;
#if FAULT != 18
		permits_give(w)
#endif
		}

	/* keeps a minimum; where there is no permit for it, it hears of one */
#if MIN > 0
	:: d_step { w == 0 && live(0) + spare[0] == 0 && waits[0] == NOBODY && parcels[0] + granted[0] == 0 && !needy[0] ->
		permits_take(w, ok);
		if
		:: ok -> open(w)
		:: else -> skip
		fi }
#endif

	/* closes what is too old, or too much */
	:: d_step { idle[w] > 0 && closings > 0 -> closings--; idle[w]--; closing[w]++ }
	:: d_step { idle[w] > 0 && has_excess -> permits_doom(w, ok); idle[w]--; closing[w]++ }
	:: d_step { closing[w] > 0 -> closing[w]--; permits_give(w); watch(w) }

	/* gives back what it has no use for */
#if FAULT != 13
	:: d_step { (waits[w] == NOBODY || opening[w] > 0 || !may_use) && spare[w] > 0 -> spare[w]--; permits_give(w) }
#endif

	/* hears that there is something to look at */
#if FAULT == 10
	:: told[w] -> d_step { permits_receive(w); watch(w) }; d_step { told[w] = false }
#elif FAULT == 20
	:: d_step { told[w] -> told[w] = false }
#else
	:: d_step { told[w] -> told[w] = false; permits_receive(w); watch(w) }
#endif

	/* waits in vain, while another one does not turn */
	:: d_step { ask[w] != NOBODY && lates > 0 && told[(w + 1) % WORKERS] &&
		(ask[(w + 1) % WORKERS] != NOBODY || parcels[(w + 1) % WORKERS] + granted[(w + 1) % WORKERS] > 0) ->
		lates--;
		other = (w + 1) % WORKERS;
		permits_take_back(other) }

	/* and hands on what others wait for longer; they may have left when it has been detached */
	:: d_step { idle[w] > 0 && gate[w] -> is_due(w, ok) };
		d_step {
			if
			:: ok -> ok = has_excess; permits_hand(w, waits[w]); assert(!ok || first == NONE)
			:: else -> first = NONE
			fi;
			ok = false;
			if
#if FAULT != 17
			:: first != NONE -> idle[w]--
#endif
			:: else -> skip
			fi }

	/* leaves: everybody here is refused, everything is closed */
	:: d_step { deaths > 0 && leased[w] + opening[w] + closing[w] == 0 -> deaths--;
		waits[w] = NOBODY;
#if FAULT != 11
		permits_unask(w);
#endif
#if FAULT != 12
		permits_receive(w)
#else
		skip
#endif
		};
		do
		:: d_step { idle[w] > 0 -> idle[w]--; permits_give(w) }
		:: d_step { spare[w] > 0 -> spare[w]--; permits_give(w) }
		:: idle[w] + spare[w] == 0 -> break
		od;
		skip;
		d_step { permits_leave(w) };
		break

	/* nobody comes any more, here and elsewhere */
	:: came == ARRIVALS && nobody_waits && leased[w] + opening[w] + closing[w] + spare[w] == 0 && !told[w] &&
		(MIN == 0 || w > 0 || idle[0] > 0 || out == cap) -> break
	od
}

/* Somebody gives it other bounds, twice. */
proctype operator()
{
	if
	:: EVENTS > 0 -> d_step { permits_resize(MAX - 1) }; d_step { permits_resize(MAX) }
	:: else -> skip
	fi
}

init {
	atomic {
		byte w = 0;
		do
		:: w < WORKERS -> run worker(w); w++
		:: else -> break
		od;
		run operator()
	}
}

/* At every state. */
active proctype monitor()
{
end:	atomic {
		!(out == SUM(held) && out <= MAX &&
		  SUM(idle) + SUM(leased) + SUM(opening) + SUM(closing) + SUM(parcels) + SUM(granted) + SUM(spare) == out &&
		  parcels[0] <= 1 && parcels[1] <= 1 && parcels[WORKERS - 1] <= 1) -> assert(false)
	}
}

#endif
