#include "services/sim/attack_answers.h"

#include "services/dht/message.h"
#include "services/sim/node.h"

#define HONEST_NAMED 4 /* of 20, by ATTACK_MIXED */

/* The attackers closest to a key, nearest first. */
static size_t closest(const struct attack *a, const struct key *target,
                      struct contact ret[KAD_PEERS_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < a->n; i++) {
                const struct contact *c = &a->nodes[i]->contact;
                size_t at = n;

                while (at > 0 && key_compare(target, &c->key, &ret[at - 1].key) < 0)
                        at--;
                if (at == KAD_PEERS_MAX)
                        continue;
                n += n < KAD_PEERS_MAX;
                memmove(&ret[at + 1], &ret[at], (n - at - 1) * sizeof(*ret));
                ret[at] = *c; /* a view: addresses stay the node's */
        }
        return n;
}

/* In place of the last few of them: the honest ones closest to the key. */
static void mix(const struct network *net, const struct key *target,
                struct contact ret[KAD_PEERS_MAX]) {
        struct contact *list = ret + KAD_PEERS_MAX - HONEST_NAMED;
        size_t n = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                const struct node *honest = net->slots[i];
                size_t at = n;

                if (!honest || !honest->is_up || honest->is_attacker || !honest->is_serving)
                        continue;
                while (at > 0 && key_compare(target, &honest->contact.key, &list[at - 1].key) < 0)
                        at--;
                if (at == HONEST_NAMED)
                        continue;
                n += n < HONEST_NAMED;
                memmove(&list[at + 1], &list[at], (n - at - 1) * sizeof(*list));
                list[at] = honest->contact;
        }
}

/* With each other only; a store is confirmed as the protocol wants it, and dropped. */
static void answer_kad(struct node *n, struct bytes message) {
        CLEANUP(kad_message_donep) struct kad_message in = {};
        struct contact list[KAD_PEERS_MAX];
        struct kad_parts parts = {};
        struct refbuf *answer;
        struct key key;

        if (kad_message_read(message, &in) || in.type == KAD_ADD_PROVIDER)
                return;
        key = in.has_target ? in.target : key_of(in.key);
        parts.type = in.type;
        parts.key = in.key;
        if (in.type == KAD_PUT_VALUE) {
                parts.has_record = true;
                parts.record_key = in.record_key;
                parts.value = in.value;
        } else {
                parts.closer = list;
                parts.n_closer = closest(n->net->attack, &key, list);
                if (n->net->settings.attack == ATTACK_MIXED && parts.n_closer == KAD_PEERS_MAX)
                        mix(n->net, &key, list);
        }
        answer = kad_message_new(&parts);
        links_answer(n->net, n, answer, false);
        refbuf_unref(answer);
}

/* Nothing is the packed form of "yes": stored, and of an empty page: nothing is known. */
static void answer_record(struct node *n) {
        struct refbuf *nothing = refbuf_new(BYTES_NONE);

        links_answer(n->net, n, nothing, false);
        refbuf_unref(nothing);
}

static void answer_rubbish(struct node *n) {
        uint8_t bytes[200];
        struct refbuf *rubbish;

        rng_bytes(&n->net->rng, bytes, sizeof(bytes));
        rubbish = refbuf_new(BYTES(bytes, rng_below(&n->net->rng, sizeof(bytes))));
        links_answer(n->net, n, rubbish, false);
        refbuf_unref(rubbish);
}

static void asked(struct node *n, struct node *from, struct bytes message) {
        if (!n->net->attack->is_hostile)
                node_honest.asked(n, from, message);
        else if (n->net->settings.attack == ATTACK_GARBAGE)
                answer_rubbish(n);
        else if (n->question.protocol == SIM_KAD)
                answer_kad(n, message);
        else if (n->question.protocol == SIM_RECORD)
                answer_record(n);
        else
                links_answer(n->net, n, NULL, true);
}

struct behaviour attack_behaviour(void) {
        struct behaviour b = node_honest;

        b.name = "attacker";
        b.asked = asked;
        return b;
}
