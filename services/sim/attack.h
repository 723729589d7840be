#pragma once

/* Nodes that want harm. They run the honest cores and behave well until they turn; from then on
 * they answer look-ups with each other only, say that they store and do not, and have forgotten
 * what they kept. What they are after is the attack's kind (settings.h). They know everything the
 * network knows: who is where, which key is to be attacked. Pure. */

struct network;

/* Before the first node starts. */
void attack_begin(struct network *net);
/* The measured time begins. */
void attack_strike(struct network *net);
struct figures;
/* What it cost them. */
void attack_figures(const struct network *net, struct figures *ret);
void attack_free(struct network *net);
