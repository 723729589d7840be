#pragma once

/* Intrusive doubly linked list. A `struct list` is both head and link; a link
 * that is in no list points to itself, so removing twice is harmless. */

#include <stdbool.h>
#include <stddef.h>

#include "common/base/memory.h"

struct list {
        struct list *next, *previous;
};

static inline void list_init(struct list *l) {
        l->next = l->previous = l;
}

static inline bool list_is_empty(const struct list *l) {
        return l->next == l;
}

static inline void list_insert_before(struct list *at, struct list *link) {
        link->next = at;
        link->previous = at->previous;
        at->previous->next = link;
        at->previous = link;
}

static inline void list_push_back(struct list *head, struct list *link) {
        list_insert_before(head, link);
}

static inline void list_push_front(struct list *head, struct list *link) {
        list_insert_before(head->next, link);
}

static inline void list_remove(struct list *link) {
        link->previous->next = link->next;
        link->next->previous = link->previous;
        list_init(link);
}

/* NULL when empty. */
static inline struct list *list_first(const struct list *head) {
        return list_is_empty(head) ? NULL : head->next;
}

static inline struct list *list_pop_front(struct list *head) {
        struct list *link = list_first(head);

        if (link)
                list_remove(link);
        return link;
}

/* Moves every link of `from` to `ret`, which needs no list_init() before. */
static inline void list_take_all(struct list *from, struct list *ret) {
        list_init(ret);
        if (list_is_empty(from))
                return;
        *ret = *from;
        ret->next->previous = ret->previous->next = ret;
        list_init(from);
}

#define LIST_ENTRY(link, type, member) container_of(link, type, member)

/* `it` is a struct list *; SAFE allows removing `it` inside the loop. */
#define LIST_FOREACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_FOREACH_SAFE(it, head)                                               \
        for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
             it = it##_next, it##_next = it->next)
