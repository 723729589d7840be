#pragma once

/* What each file of the router gives the others (router.h has the structures). */

#include "services/gossip/router.h"

/* ---- router.c ---- */

struct router_peer *router_peer(const struct pubsub *p, const struct peer_id *id); /* NULL */
struct topic *router_topic(const struct pubsub *p, struct bytes name);             /* NULL */
/* NULL: not a name, or no room. ours: we named it, there is room kept for that. */
struct topic *router_topic_make(struct pubsub *p, struct bytes name, bool ours);
void router_topic_release(struct pubsub *p, struct topic *t); /* if nobody needs it */
/* With its memberships, whatever they remember. */
void router_peer_free(struct pubsub *p, struct router_peer *peer, nsec_t now);
struct membership *router_membership(const struct topic *t, const struct router_peer *peer);
struct membership *router_membership_make(struct pubsub *p, struct topic *t,
                                          struct router_peer *peer);
/* Drops what nobody needs any more: neither subscribed, nor with a score or back-off. */
void router_membership_release(struct pubsub *p, struct membership *m, nsec_t now);
double router_score(struct pubsub *p, struct router_peer *peer, nsec_t now);
double router_score_now(const struct pubsub *p, const struct router_peer *peer, nsec_t now);
/* The heartbeat looks at it, until it is at rest: something of it may fade or end. */
void router_stir(struct pubsub *p, struct router_peer *peer);
/* The same, and its score is computed anew when it is asked for. */
void router_score_changed(struct pubsub *p, struct router_peer *peer);
/* Up, not denied, score not below the threshold. */
bool router_may(struct pubsub *p, struct router_peer *peer, double threshold, nsec_t now);
void router_misbehaved(struct pubsub *p, struct router_peer *peer, double n);
void router_invalid(struct pubsub *p, struct topic *t, const struct peer_id *from);
/* Something is written for this peer: it is flushed with the next output. False: its queue is full
 * or it is not up; nothing may be written. Gossip gets half of the queue and goes when messages
 * need the place; control has a reserve. */
enum write_kind { WRITE_GOSSIP = 0, WRITE_MESSAGE, WRITE_CONTROL };
bool router_writes(struct pubsub *p, struct router_peer *peer, enum write_kind kind, size_t n);
/* The peer's streams are to be closed: it is down from now on. */
void router_drop(struct pubsub *p, struct router_peer *peer, nsec_t now);
/* topic: copied, or NULL. */
struct pubsub_output *router_output(struct pubsub *p, enum pubsub_output_type type,
                                    const char *topic);
/* Memberships of a topic in random order that `fits` accepts; ret holds at least n_members. */
typedef bool (*membership_filter)(struct pubsub *p, struct membership *m, nsec_t now);
size_t router_choose(struct pubsub *p, struct topic *t, membership_filter fits, nsec_t now,
                     struct membership **ret);
void router_shuffle(struct pubsub *p, struct membership **list, size_t n);

/* ---- mesh.c ---- */

void mesh_join(struct pubsub *p, struct topic *t, nsec_t now);
void mesh_leave(struct pubsub *p, struct topic *t, nsec_t now);
void mesh_add(struct pubsub *p, struct membership *m, nsec_t now); /* and says GRAFT */
void mesh_remove(struct pubsub *p, struct membership *m);          /* says nothing */
void mesh_prune(struct pubsub *p, struct membership *m, nsec_t backoff, bool exchange, nsec_t now);
void mesh_on_graft(struct pubsub *p, struct router_peer *peer, struct bytes topic, nsec_t now);
void mesh_on_prune(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlPrune *prune,
                   nsec_t now);
void mesh_beat(struct pubsub *p, struct topic *t, nsec_t now);
void fanout_beat(struct pubsub *p, struct topic *t, nsec_t now);
/* Those a message to a topic we have not joined goes to. */
void fanout_fill(struct pubsub *p, struct topic *t, nsec_t now);

/* ---- deliver.c ---- */

void deliver_message(struct pubsub *p, struct router_peer *peer, struct bytes raw, nsec_t now);
/* What was put off and is due. */
void deliver_later(struct pubsub *p, nsec_t now);
void pending_free(struct pubsub *p, struct pending *x);
void signing_free(struct pubsub *p, struct signing *x);

/* ---- lazy.c ---- */

void lazy_on_ihave(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIHave *ihave,
                   nsec_t now);
void lazy_on_iwant(struct pubsub *p, struct router_peer *peer, const Gossipsub__ControlIWant *iwant,
                   nsec_t now);
void lazy_on_idontwant(struct pubsub *p, struct router_peer *peer,
                       const Gossipsub__ControlIDontWant *idontwant);
bool lazy_is_unwanted(const struct router_peer *peer, const struct message_id *id);
/* Tells the mesh that this message is here, before it is even validated. */
void lazy_idontwant(struct pubsub *p, struct topic *t, const struct message_id *id,
                    const struct peer_id *from);
void lazy_gossip(struct pubsub *p, struct topic *t, nsec_t now);
/* It came: whoever promised it, by whatever way. True: it had been asked for.
 * from: who brought it; NULL: we had no time or room for it, and nobody is to blame. */
bool lazy_kept(struct pubsub *p, const struct message_id *id, const struct peer_id *from);
void lazy_beat(struct pubsub *p, nsec_t now);
void promise_free(struct pubsub *p, struct promise *x);
void promises_forget(struct pubsub *p, struct router_peer *peer);

/* ---- heartbeat.c ---- */

void heartbeat(struct pubsub *p, nsec_t now);
