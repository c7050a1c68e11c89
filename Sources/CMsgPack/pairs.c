// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"
#include "token.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

/// A few keys are compared with each other, which costs less than hashing them.
enum { FEW = 24 };

static void reserve(cmsgpack_pairs *pairs, uint32_t count) {
    if (__builtin_expect(count <= pairs->capacity, 1)) { return; }
    uint32_t capacity = count < 8 ? 8 : count;
    cmsgpack_pair *all = realloc(pairs->all, (size_t)capacity * sizeof(cmsgpack_pair));
    if (all == NULL) { abort(); }
    pairs->all = all;
    pairs->capacity = capacity;
}

void cmsgpack_pairs_free(cmsgpack_pairs *pairs) {
    free(pairs->all);
    free(pairs->slots);
    *pairs = (cmsgpack_pairs){0};
}

// ---------------------------------------------------------------------------------------------------------------------
// Marks.

enum { MARKED = 7, SHORT = 32 };

/// The first bytes of a string and its length, up to 255. Equal strings have equal marks, and strings of up to seven
/// bytes that have equal marks are equal.
static inline uint64_t make_mark(uint64_t word, size_t count) { return word << 8 | (count < 255 ? count : 255); }

/// The bytes that count of the first eight of a short string.
static const uint64_t mark_masks[SHORT] = {
    [0] = 0,
    [1] = 0xff,
    [2] = 0xffff,
    [3] = 0xffffff,
    [4] = 0xffffffff,
    [5] = 0xffffffffff,
    [6] = 0xffffffffffff,
    [7 ... 31] = 0xffffffffffffff,
};

/// The mark of a string; no byte after it is read.
static inline uint64_t mark_of(const uint8_t *bytes, size_t count) {
    uint64_t word = 0;
    if (count > MARKED) {
        memcpy(&word, bytes, 8);
        return make_mark(le64toh(word), count);
    }
    // Loads that overlap, as they may: they put the same bytes in the same place.
    if (count >= 4) {
        uint32_t first, last;
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + count - 4, 4);
        word = le32toh(first) | (uint64_t)le32toh(last) << (8 * (count - 4));
    } else if (count != 0) {
        size_t middle = count / 2, last = count - 1;
        word = bytes[0] | (uint64_t)bytes[middle] << (8 * middle) | (uint64_t)bytes[last] << (8 * last);
    }
    return make_mark(word, count);
}

// ---------------------------------------------------------------------------------------------------------------------
// Hashes: SipHash-1-3, for which nobody knows how to make two strings that have one hash for every key.

// The key is random, so that no sender can know it.
static uint64_t hash_key[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_hash_key(void) {
    if (getentropy(hash_key, sizeof hash_key) != 0) { abort(); }
}

static inline uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

static inline void sip_round(uint64_t state[4]) {
    state[0] += state[1];
    state[2] += state[3];
    state[1] = rotate(state[1], 13) ^ state[0];
    state[3] = rotate(state[3], 16) ^ state[2];
    state[0] = rotate(state[0], 32) + state[3];
    state[2] += state[1];
    state[3] = rotate(state[3], 21) ^ state[0];
    state[1] = rotate(state[1], 17) ^ state[2];
    state[2] = rotate(state[2], 32);
}

static inline void sip_word(uint64_t state[4], uint64_t word) {
    state[3] ^= word;
    sip_round(state);
    state[0] ^= word;
}

static uint64_t hash(const uint8_t *bytes, size_t count) {
    pthread_once(&once, make_hash_key);
    uint64_t state[4] = {hash_key[0] ^ 0x736f6d6570736575u, hash_key[1] ^ 0x646f72616e646f6du,
                         hash_key[0] ^ 0x6c7967656e657261u, hash_key[1] ^ 0x7465646279746573u};
    size_t index = 0;
    uint64_t word;
    for (; index + 8 <= count; index += 8) {
        memcpy(&word, bytes + index, 8);
        sip_word(state, le64toh(word));
    }
    word = (uint64_t)count << 56;
    for (size_t rest = 0; index + rest < count; ++rest) { word |= (uint64_t)bytes[index + rest] << (8 * rest); }
    sip_word(state, word);
    state[2] ^= 0xff;
    for (int round = 0; round < 3; ++round) { sip_round(state); }
    return state[0] ^ state[1] ^ state[2] ^ state[3];
}

static inline uint64_t hash_integer(uint64_t number) { return hash((const uint8_t *)&number, sizeof number); }

// ---------------------------------------------------------------------------------------------------------------------
// Reading.

/// Whether two keys of one map are the same string or the same integer.
static bool same_key(const uint8_t *a, const uint8_t *b) {
    cmsgpack_token x = cmsgpack_read(a);
    cmsgpack_token y = cmsgpack_read(b);
    if (x.kind != y.kind || x.number != y.number) { return false; }
    return x.kind != CMSGPACK_STR || memcmp(a + x.header, b + y.header, x.number) == 0;
}

/// Reads the pair at `cursor`, and goes on to the next one.
static cmsgpack_pair read_pair(const cmsgpack_message *message, cmsgpack_cursor *cursor) {
    const uint8_t *at = message->bytes + cursor->offset;
    cmsgpack_token key = cmsgpack_read(at);
    cmsgpack_pair pair = {.key = cursor->offset, .mark = key.number, .value = cmsgpack_skip(message, *cursor)};
    switch (key.kind) {
    case CMSGPACK_STR:
        pair.kind = CMSGPACK_KEY_STRING;
        pair.mark = mark_of(at + key.header, key.number);
        break;
    case CMSGPACK_INT: pair.kind = CMSGPACK_KEY_INTEGER; break;
    default: pair.kind = CMSGPACK_KEY_OTHER;
    }
    *cursor = cmsgpack_skip(message, pair.value);
    return pair;
}

/// Reads pairs as long as they have the marks of the last map's, which are plain, and says how many there are.
static inline uint32_t read_like_last(cmsgpack_pair *all, uint32_t count, const cmsgpack_message *message,
                                      cmsgpack_cursor *cursor) {
    const uint8_t *const bytes = message->bytes, *const stop = bytes + message->count;
    cmsgpack_cursor next = *cursor;
    uint32_t index = 0;
    for (; index < count; ++index, ++all) {
        // The size that the key should have, so that what follows need not wait until it has been read.
        uint32_t size = all->mark & (SHORT - 1);
        const uint8_t *at = bytes + next.offset;
        uint64_t word;
        if (stop - at <= 8 || *at != (0xa0 | size)) { break; }
        memcpy(&word, at + 1, 8);
        if (all->mark != make_mark(le64toh(word) & mark_masks[size], size)) { break; }
        all->key = next.offset;
        next.offset += 1 + size;
        all->value = next;
        next = cmsgpack_skip(message, next);
    }
    *cursor = next;
    return index;
}

/// Compares the pair at `index` with those before it. One that has the same key is replaced.
///
/// Returns whether its mark is not among theirs.
static bool replace_same(cmsgpack_pair *all, const cmsgpack_message *message, uint32_t index, bool *is_repeated) {
    bool is_distinct = true;
    for (uint32_t other = 0; other < index; ++other) {
        if (__builtin_expect(all[other].mark != all[index].mark, 1)) { continue; }
        is_distinct = false;
        if (all[other].kind < CMSGPACK_KEY_OTHER
            && same_key(message->bytes + all[other].key, message->bytes + all[index].key)) {
            all[other].kind = CMSGPACK_KEY_REPLACED;
            *is_repeated = true;
        }
    }
    return is_distinct;
}

static void clear_slots(cmsgpack_pairs *pairs, uint32_t count) {
    // At most four slots for each pair that is really there.
    size_t capacity = 64;
    while (capacity < (size_t)count * 2) { capacity *= 2; }
    if (pairs->slots != NULL && pairs->slot_mask == capacity - 1) {
        memset(pairs->slots, 0, capacity * sizeof(cmsgpack_slot));
        return;
    }
    free(pairs->slots);
    pairs->slots = calloc(capacity, sizeof(cmsgpack_slot));
    if (pairs->slots == NULL) { abort(); }
    pairs->slot_mask = capacity - 1;
}

/// Fills the table; of equal keys with the last pair, and the others are replaced. Says whether there are any.
static bool fill_slots(cmsgpack_pairs *pairs, const cmsgpack_message *message) {
    bool is_repeated = false;
    clear_slots(pairs, pairs->count);
    for (uint32_t index = 0; index < pairs->count; ++index) {
        cmsgpack_pair *pair = &pairs->all[index];
        const uint8_t *at = message->bytes + pair->key;
        cmsgpack_token key = cmsgpack_read(at);
        uint64_t full = pair->kind == CMSGPACK_KEY_STRING ? hash(at + key.header, key.number)
                                                          : hash_integer(pair->mark);
        cmsgpack_slot new = {.hash = (uint32_t)full, .number = index + 1};
        size_t place = new.hash & pairs->slot_mask;
        while (pairs->slots[place].number != 0) {
            cmsgpack_pair *before = &pairs->all[pairs->slots[place].number - 1];
            if (pairs->slots[place].hash == new.hash && same_key(message->bytes + before->key, at)) {
                before->kind = CMSGPACK_KEY_REPLACED;
                is_repeated = true;
                break;
            }
            place = (place + 1) & pairs->slot_mask;
        }
        pairs->slots[place] = new;
    }
    return is_repeated;
}

/// Reads the pairs from `index` on; those before it have short strings for keys, of different marks.
static __attribute__((noinline)) cmsgpack_map_status read_rest(cmsgpack_pairs *pairs, uint32_t index,
                                                               const cmsgpack_message *message, cmsgpack_cursor cursor,
                                                               uint32_t count, uint32_t *fault) {
    reserve(pairs, count);
    bool is_repeated = false, is_bad = false, are_plain = count <= FEW;
    pairs->count = count;
    pairs->string_count = index;
    for (; index < count; ++index) {
        cmsgpack_pair *pair = &pairs->all[index];
        *pair = read_pair(message, &cursor);
        bool is_string = pair->kind == CMSGPACK_KEY_STRING;
        pairs->string_count += is_string;
        if (pair->kind == CMSGPACK_KEY_OTHER && !is_bad) {
            is_bad = true;
            *fault = pair->key;
        }
        if (!is_string || (pair->mark & 0xff) >= SHORT) { are_plain = false; }
        if (count <= FEW && !replace_same(pairs->all, message, index, &is_repeated)) { are_plain = false; }
    }
    pairs->are_plain = are_plain;
    if (is_bad) { return CMSGPACK_MAP_BAD_KEY; }
    if (count > FEW) { is_repeated = fill_slots(pairs, message); }
    return is_repeated ? CMSGPACK_MAP_REPEATED : CMSGPACK_MAP_OK;
}

cmsgpack_map_status cmsgpack_pairs_read(cmsgpack_pairs *pairs, const cmsgpack_message *message, cmsgpack_cursor first,
                                        uint32_t count, uint32_t *fault) {
    pairs->next = 0;
    uint32_t read = 0;
    // Structs of one type come after each other. Where no two marks are the same, no two keys are.
    if (pairs->are_plain && pairs->count == count) {
        read = read_like_last(pairs->all, count, message, &first);
        if (read == count) { return CMSGPACK_MAP_OK; }
    }
    return read_rest(pairs, read, message, first, count, fault);
}

cmsgpack_map_status cmsgpack_pairs_open(cmsgpack_pairs *pairs, const cmsgpack_message *message, cmsgpack_cursor cursor,
                                        uint32_t *fault) {
    cmsgpack_token map = cmsgpack_read_container(message->bytes + cursor.offset);
    if (map.kind != CMSGPACK_MAP) {
        *fault = cursor.offset;
        return CMSGPACK_MAP_NONE;
    }
    cmsgpack_cursor first = {cursor.offset + map.header, cursor.span + (map.number != 0)};
    return cmsgpack_pairs_read(pairs, message, first, (uint32_t)map.number, fault);
}

// ---------------------------------------------------------------------------------------------------------------------
// Finding.

/// Whether strings of eight bytes or more are equal.
static inline bool equal(const uint8_t *a, const uint8_t *b, size_t count) {
    uint64_t x, y;
    for (size_t index = 0; index + 8 <= count; index += 8) {
        memcpy(&x, a + index, 8);
        memcpy(&y, b + index, 8);
        if (x != y) { return false; }
    }
    memcpy(&x, a + count - 8, 8);
    memcpy(&y, b + count - 8, 8);
    return x == y;
}

/// A key that is looked for.
typedef struct wanted {
    uint64_t mark;
    const uint8_t *bytes; ///< Null for an integer.
    size_t count;
} wanted;

static inline bool has_key(const cmsgpack_pair *pair, const cmsgpack_message *message, wanted key) {
    cmsgpack_key_kind kind = key.bytes == NULL ? CMSGPACK_KEY_INTEGER : CMSGPACK_KEY_STRING;
    if (pair->mark != key.mark || pair->kind != (uint32_t)kind) { return false; }
    if (key.count <= MARKED) { return true; }
    const uint8_t *at = message->bytes + pair->key;
    cmsgpack_token found = cmsgpack_read(at);
    return found.number == key.count && equal(at + found.header, key.bytes, key.count);
}

static __attribute__((noinline)) const cmsgpack_pair *search(cmsgpack_pairs *pairs, const cmsgpack_message *message,
                                                             wanted key) {
    if (pairs->count <= FEW) {
        for (uint32_t index = 0; index < pairs->count; ++index) {
            if (!has_key(&pairs->all[index], message, key)) { continue; }
            pairs->next = index + 1;
            return &pairs->all[index];
        }
        return NULL;
    }
    uint32_t wanted_hash = (uint32_t)(key.bytes == NULL ? hash_integer(key.mark) : hash(key.bytes, key.count));
    for (size_t place = wanted_hash & pairs->slot_mask;; place = (place + 1) & pairs->slot_mask) {
        cmsgpack_slot slot = pairs->slots[place];
        if (slot.number == 0) { return NULL; }
        if (slot.hash != wanted_hash || !has_key(&pairs->all[slot.number - 1], message, key)) { continue; }
        pairs->next = slot.number;
        return &pairs->all[slot.number - 1];
    }
}

static inline const cmsgpack_pair *find(cmsgpack_pairs *pairs, const cmsgpack_message *message, wanted key) {
    if (__builtin_expect(pairs->next < pairs->count, 1)) {
        const cmsgpack_pair *next = &pairs->all[pairs->next];
        if (__builtin_expect(has_key(next, message, key), 1)) {
            pairs->next += 1;
            return next;
        }
    }
    return search(pairs, message, key);
}

const cmsgpack_pair *cmsgpack_pairs_find(cmsgpack_pairs *pairs, const cmsgpack_message *message, const uint8_t *key,
                                         size_t count) {
    static const uint8_t empty = 0;
    wanted wanted = {mark_of(key, count), key != NULL ? key : &empty, count};
    return find(pairs, message, wanted);
}

const cmsgpack_pair *cmsgpack_pairs_find_integer(cmsgpack_pairs *pairs, int64_t key) {
    return find(pairs, NULL, (wanted){(uint64_t)key, NULL, 0});
}
