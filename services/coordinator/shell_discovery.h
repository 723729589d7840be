#pragma once

/* Where the shell's candidates come from: pinned peers, gossip's draws, hosts near random
 * keys of the DHT, own history, and peers that are connected. Also what this node offers
 * to others, and the deny list it follows. Private to the shell. */

#include "common/base/rng.h"
#include "proto/gossip.pb-c.h"
#include "services/coordinator/hosts.h"
#include "services/coordinator/offer.h"
#include "services/coordinator/shell.h"

#define DISCOVERY_CALL_TIMEOUT (5 * NSEC_PER_SEC)

struct pool;

struct discovery {
        struct pool *pool;
        struct rng rng;
        nsec_t started, job_at; /* job_at: somebody wanted hosts last */

        struct bus_client *gossip_bus, *dht_bus, *deny_bus;
        struct rpc_client *gossip_rpc, *dht_rpc, *deny_rpc;
        bool has_gossip, has_dht, is_drawing, is_looking, has_said_absent, wants_deny_list;
        nsec_t draw_at, look_at;

        struct loop_source *offer_timer;
        struct offered offered; /* when it was looked at last */
        struct offer_pace pace;
};

/* shell_discovery.c */
int shell_discovery_start(struct shell *s);
void shell_discovery_stop(struct shell *s);
void shell_candidates(struct shell *s); /* asks who is there, then tells the core */
bool shell_candidate_of(struct shell *s, const struct peer_id *peer, struct candidate *ret);
/* True: `ret` may be asked; false: no host at all. */
bool discovery_candidate(const Gossip__Candidate *in, nsec_t now, struct candidate *ret,
                         nsec_t *ret_until);

/* shell_offer.c */
void shell_offer_look(struct shell *s); /* after a turn: has it changed? */
int shell_offer_start(struct shell *s);
void shell_offer_stop(struct shell *s);
void shell_offer_again(struct shell *s); /* gossip is there (again): it knows nothing */
void shell_offer_tick(struct shell *s);  /* now and then */
/* shell_deny.c */
int shell_deny_start(struct shell *s);
void shell_deny_stop(struct shell *s);
void shell_deny_tick(struct shell *s);
