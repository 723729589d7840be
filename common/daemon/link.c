#include "common/daemon/link.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/daemon/account.h"
#include "common/daemon/capability.h"
#include "proto/bus.pb-c.h"

uint64_t link_instance(void) {
        static uint64_t instance;
        static pid_t owner;

        if (owner != getpid()) /* a fork is another process */
                instance = 0;
        owner = getpid();
        while (instance == 0)
                check(getrandom(&instance, sizeof(instance), 0) == sizeof(instance));
        return instance;
}

bool link_policy_allows_as(const struct link_policy *p, uid_t own, uid_t uid) {
        const char *self, *service;
        uint32_t node, its_node;

        if (uid == 0)
                return true;
        if (p && p->capability && account_of(own, &node, &self))
                return account_of(uid, &its_node, &service) && its_node == node &&
                       capability_may_use(service, p->capability);
        return uid == own || (p && p->by_file);
}

bool link_policy_allows(const struct link_policy *p, uid_t uid) {
        return link_policy_allows_as(p, geteuid(), uid);
}

void link_init(struct link *l, const struct link_ops *ops, struct loop *loop) {
        *l = (struct link){ .ops = ops, .loop = loop };
        list_init(&l->users);
}

void link_attach(struct link *l, struct link_user *u) {
        LIST_FOREACH (it, &l->users)
                check(!(LIST_ENTRY(it, struct link_user, in_link)->kinds & u->kinds));
        u->link = l;
        u->told = l->turn;
        list_push_back(&l->users, &u->in_link);
        if (l->is_up)
                u->up(u);
}

void link_detach(struct link_user *u) {
        if (!u->link)
                return;
        u->link = NULL;
        list_remove(&u->in_link);
}

int link_send(struct link *l, const struct frame *f, bool data) {
        if (!l->is_up)
                return LINK_E_DOWN;
        return l->ops->send(l, f, data);
}

void link_drop(struct link *l, const char *why) {
        l->ops->drop(l, why);
}

void link_end(struct link *l, const char *why) {
        l->ops->end(l, why);
}

static struct link_user *next_untold(struct link *l) {
        LIST_FOREACH (it, &l->users) {
                struct link_user *u = LIST_ENTRY(it, struct link_user, in_link);

                if (u->told != l->turn)
                        return u;
        }
        return NULL;
}

/* Users may attach, detach and free themselves and each other on the way. */
static void tell_all(struct link *l, bool up) {
        struct link_user *u;

        l->turn++;
        while ((u = next_untold(l))) {
                u->told = l->turn;
                if (up)
                        u->up(u);
                else
                        u->down(u);
        }
}

void link_came_up(struct link *l, const struct link_peer *peer) {
        if (l->is_up && l->peer.instance == peer->instance)
                return;
        link_went_down(l);
        l->peer = *peer;
        l->is_up = true;
        tell_all(l, true);
}

void link_went_down(struct link *l) {
        if (!l->is_up)
                return;
        l->is_up = false;
        tell_all(l, false);
}

int link_received(struct link *l, struct frame *f) {
        uint32_t kind = (uint32_t) f->header->kind;

        LIST_FOREACH (it, &l->users) {
                struct link_user *u = LIST_ENTRY(it, struct link_user, in_link);

                if (kind < 32 && u->kinds & 1u << kind)
                        return u->receive(u, f);
        }
        link_drop(l, "sends messages nobody asked for");
        return 0;
}

size_t link_header_pack(const struct Bus__Header *h, uint8_t ret[LINK_HEADER_MAX]) {
        if (bus__header__get_packed_size(h) > LINK_HEADER_MAX)
                return 0;
        return bus__header__pack(h, ret);
}

static void *space_alloc(void *data, size_t n) {
        struct link_header_space *space = data;
        size_t at = space->used;

        n = (n + 15) & ~(size_t) 15;
        if (n > sizeof(space->memory) - at)
                return NULL;
        space->used += n;
        return space->memory + at;
}

static void space_free(void *data, void *p) {
}

/* A Header is at most two levels deep and this small, so protobuf-c needs no scan before. */
struct Bus__Header *link_header_unpack(struct bytes in, struct link_header_space *space) {
        ProtobufCAllocator allocator = { space_alloc, space_free, space };

        space->used = 0;
        if (in.len > LINK_HEADER_MAX)
                return NULL;
        return bus__header__unpack(&allocator, in.len, in.data);
}

size_t link_hello_pack(const char *service, uint64_t connection, bool data, uint8_t *ret,
                       size_t size) {
        Bus__Hello hello = BUS__HELLO__INIT;

        hello.instance = link_instance();
        hello.service = (char *) service;
        hello.connection = connection;
        hello.data = data;
        return bus__hello__get_packed_size(&hello) > size ? 0 : bus__hello__pack(&hello, ret);
}

bool link_hello_unpack(struct bytes in, struct link_peer *ret_peer, uint64_t *ret_connection,
                       bool *ret_data) {
        struct link_header_space space = {};
        ProtobufCAllocator allocator = { space_alloc, space_free, &space };
        Bus__Hello *hello;

        if (in.len > LINK_HEADER_MAX)
                return false;
        hello = bus__hello__unpack(&allocator, in.len, in.data);
        if (!hello || hello->instance == 0)
                return false;
        ret_peer->instance = hello->instance;
        (void) snprintf(ret_peer->service, sizeof(ret_peer->service), "%s", hello->service);
        if (ret_connection)
                *ret_connection = hello->connection;
        if (ret_data)
                *ret_data = hello->data;
        return true;
}
