/* answer.h - a request of the control socket, and its answer: one JSON object a line each.
 *
 * A request has a member "verb" (order.h), the answer "ok". It is answered for the whole process: with
 * several workers each makes its part (gather.h), and the parts are one answer (whole.h). nebula_ask()
 * cannot wait, and is told of its own worker alone.
 */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include "core/order.h"

struct answer;

/* The line with its newline, to be freed; NULL: there was no memory for it. */
typedef void answer_ready(void *data, char *line);

/* Answers at once, in *line_out as above, and returns NULL; or there will be an answer. */
struct answer *answer_begin(struct engine *e, const char *request, size_t size, answer_ready *ready,
                            void *data, char **line_out);
void answer_forget(struct answer **a); /* ready() will not run; *a may be NULL */

/* Of this worker alone. What is ordered goes to all of them; how they fare is not told. */
char *answer_alone(struct engine *e, const char *request, size_t size);

/* Does it in all workers; the number and the name are filled in. How the others fare is in their log. */
enum error_code answer_order(struct resource *r, struct order *o, struct error *why);

#endif
