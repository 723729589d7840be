#pragma once

/* Who comes and goes. As many nodes are up at any time as settings say, but for those that are
 * about to come: sessions are exponential, and for each departure somebody comes, a stranger or, as
 * often as `returning` says, one who left before, with his identity and disk. */

struct network;

/* All nodes, one after the other; then churn goes on by itself. */
void churn_begin(struct network *net);
