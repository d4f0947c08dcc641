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

#define NOBODY 255

/* --- under the lock --------------------------------------------------------------------------- */

byte out, doomed, cap = MAX;
byte held[WORKERS], granted[WORKERS], parcels[WORKERS];
byte ask[WORKERS] = NOBODY; /* the number of the first waiter */
bool alone[WORKERS]; /* whom a permit alone serves too: nothing is being opened for him */
bool told[WORKERS], gone[WORKERS];

/* --- a worker's own --------------------------------------------------------------------------- */

byte waits[WORKERS] = NOBODY; /* the number of its waiter: one at a time */
byte idle[WORKERS], leased[WORKERS], opening[WORKERS], closing[WORKERS];
byte spare[WORKERS]; /* permits that it was granted and has not used */
bool gate[WORKERS];  /* it knows that somebody elsewhere asks, and looks at what comes home */
byte came;           /* so many waiters */
byte deadlines = EVENTS, failures = EVENTS, closings = EVENTS, deaths = EVENTS;

#define live(w) (idle[w] + leased[w] + opening[w] + closing[w])
#define has_excess (out > cap + doomed)
#define nobody_waits ((waits[0] & waits[1] & waits[WORKERS - 1]) == NOBODY)

hidden byte first, k; /* of one step, and of no meaning between two */

inline tell(w) {
	if
	:: gone[w] -> skip
	:: else -> told[w] = true
	fi
}

inline oldest(but, is_alone) {
	first = NOBODY;
	k = 0;
	do
	:: k < WORKERS ->
		if
		:: k != but && ask[k] != NOBODY && (!is_alone || alone[k]) &&
#if FAULT == 8
		   (first == NOBODY || ask[k] > ask[first]) -> first = k
#else
		   (first == NOBODY || ask[k] < ask[first]) -> first = k
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
	alone[w] = false
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
	put_out(to);
	tell(to)
}

inline pass_on(w) {
	first = NOBODY;
#if FAULT != 5
	if
	:: doomed > 0 || has_excess -> skip
	:: else -> oldest(NOBODY, true)
	fi;
#endif
	if
	:: doomed > 0 -> doomed--
	:: else -> skip
	fi;
	if
	:: first == NOBODY -> held[w]--; out--
	:: else -> granted[first]++; move(w, first, true)
	fi
}

inline permits_take(w, ok) {
	take(w, ok)
}

/* What is on its way is for the waiter: he asks for no more. */
inline put_ask(w, number, is_alone) {
	if
	:: parcels[w] + granted[w] > 0 && FAULT != 19 -> put_out(w)
#if FAULT != 3
	:: ask[w] == NOBODY && (parcels[w] + granted[w] == 0 || FAULT == 19) ->
		ask[w] = number;
		k = 0;
		do
		:: k < WORKERS ->
			if
			:: k != w && held[k] > 0 -> tell(k)
			:: else -> skip
			fi;
			k++
		:: else -> break
		od;
		skip
#endif
	:: else -> ask[w] = number
	fi;
	alone[w] = is_alone && ask[w] != NOBODY
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
inline permits_hand(w) {
	first = NOBODY;
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
	:: first != NOBODY -> parcels[first]++; move(w, first, false)
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
		oldest(NOBODY, true);
		if
		:: first != NOBODY && out < cap ->
			out++;
			held[first]++;
			granted[first]++;
			put_out(first);
			tell(first)
		:: else -> break
		fi
	od;
	skip
}

inline permits_doom(w, ok) {
	ok = has_excess;
	if
	:: ok -> doomed++
	:: else -> skip
	fi
}

inline permits_leave(w) {
	assert(parcels[w] == 0 && held[w] == 0);
	put_out(w);
	gone[w] = true;
	told[w] = false
}

/* --- a worker --------------------------------------------------------------------------------- */

/* Somebody elsewhere waits longer than anybody here, as far as it is known. */
inline is_due(w, ok) {
	permits_asked_us(w);
	ok = gate[w] && first != NOBODY && ask[first] < waits[w]
}

inline watch(w) {
	permits_asked_us(w);
	gate[w] = first != NOBODY
}

/* Nobody is passed over who is known to ask and came before. */
inline serve(w) {
	permits_asked_us(w);
	assert(first == NOBODY || ask[first] > waits[w] || !gate[w]);
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
		(spare[w] > 0 || ((ask[w] != waits[w] || !alone[w]) && (FAULT == 19 || parcels[w] + granted[w] == 0))) ->
		if
		:: spare[w] > 0 -> spare[w]--; opening[w]++
		:: else ->
			permits_ask(w, waits[w], ok);
			if
			:: ok -> opening[w]++
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

	/* closes what is too old, or too much */
	:: d_step { idle[w] > 0 && closings > 0 -> closings--; idle[w]--; closing[w]++ }
	:: d_step { idle[w] > 0 && has_excess -> permits_doom(w, ok); idle[w]--; closing[w]++ }
	:: d_step { closing[w] > 0 -> closing[w]--; permits_give(w); watch(w) }

	/* gives back what it has no use for */
#if FAULT != 13
	:: d_step { (waits[w] == NOBODY || opening[w] > 0) && spare[w] > 0 -> spare[w]--; permits_give(w) }
#endif

	/* hears that there is something to look at */
#if FAULT == 10
	:: told[w] -> d_step { permits_receive(w); watch(w) }; d_step { told[w] = false }
#elif FAULT == 20
	:: d_step { told[w] -> told[w] = false }
#else
	:: d_step { told[w] -> told[w] = false; permits_receive(w); watch(w) }
#endif

	/* and hands on what others wait for longer */
	:: d_step { idle[w] > 0 && gate[w] ->
		is_due(w, ok);
		if
		:: ok -> ok = has_excess; permits_hand(w); assert(!ok || first == NOBODY)
		:: else -> first = NOBODY
		fi;
		if
#if FAULT != 17
		:: first != NOBODY -> idle[w]--
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
	:: came == ARRIVALS && nobody_waits && leased[w] + opening[w] + closing[w] + spare[w] == 0 && !told[w] -> break
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

#define SUM(what) (what[0] + what[1] + what[WORKERS - 1] * (WORKERS > 2))

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
