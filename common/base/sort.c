#include "common/base/sort.h"

#include <stdint.h>
#include <string.h>

#include "common/base/error.h"

/* By pieces, so that the size of an element bounds nothing on the stack. */
static void swap(uint8_t *a, uint8_t *b, size_t size) {
        uint8_t piece[64];

        while (size > 0) {
                size_t n = size < sizeof(piece) ? size : sizeof(piece);

                memcpy(piece, a, n);
                memcpy(a, b, n);
                memcpy(b, piece, n);
                a += n;
                b += n;
                size -= n;
        }
}

/* Element i moves below its children until none of them is larger. */
static void sift_down(uint8_t *base, size_t i, size_t n, size_t size, sort_compare_fn compare) {
        while (i < n / 2) {
                size_t child = 2 * i + 1;

                if (child + 1 < n && compare(base + child * size, base + (child + 1) * size) < 0)
                        child++;
                if (compare(base + i * size, base + child * size) >= 0)
                        return;
                swap(base + i * size, base + child * size, size);
                i = child;
        }
}

/* A heap sort: the largest element is first, and goes behind what is left. */
void sort(void *base, size_t n, size_t size, sort_compare_fn compare) {
        uint8_t *first = base;

        if (n < 2)
                return;
        check(size > 0 && n <= SIZE_MAX / size);
        for (size_t i = n / 2; i > 0; i--)
                sift_down(first, i - 1, n, size, compare);
        for (size_t left = n - 1; left > 0; left--) {
                swap(first, first + left * size, size);
                sift_down(first, 0, left, size, compare);
        }
}
