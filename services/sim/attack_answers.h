#pragma once

/* What the files of the attack share: who they are, and how they answer once they have turned. */

#include "services/dht/record.h"
#include "services/sim/node.h"

#define ANNOUNCERS 8  /* honest ones, under the topic that is spammed */
#define READINGS   20 /* of it */

struct announcer {
        struct key key; /* its node's */
        bool is_out;
};

struct reading {
        struct network *net;
        const struct attack *attack;
        unsigned n_all, n_honest;
};

struct attack {
        struct behaviour behaviour;
        struct node **nodes;
        size_t n;
        bool is_hostile;
        struct key target; /* ATTACK_KEY: of the record that is to be denied */
        unsigned bits;     /* that ids of attackers share with it */
        struct node *publisher;
        struct refbuf *name;
        uint64_t n_ground;                       /* keys tried */
        struct announcer announcers[ANNOUNCERS]; /* ATTACK_TOPIC */
        struct reading readings[READINGS];
};

/* The honest one's, but for what is asked of it. */
struct behaviour attack_behaviour(void);

/* attack_topic.c: a thousand identities announce themselves under one topic. */
void attack_spam(struct network *net);
