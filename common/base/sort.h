#pragma once

/* qsort() for code in a sandbox. Above 1 KiB glibc's (2.36) asks the kernel how much memory
 * the machine has: a call that a filter answers by killing the process. This one sorts in
 * place, asks nobody for anything, and takes n log n steps whoever made the array.
 *
 * Not stable: equal elements end up in any order, the same one for the same array. */

#include <stddef.h>

typedef int (*sort_compare_fn)(const void *a, const void *b);

void sort(void *base, size_t n, size_t size, sort_compare_fn compare);
