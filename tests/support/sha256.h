/* sha256.h - FIPS 180-4, to say that what arrived is what was sent. 0BSD.

       sha256 h;
       char hex[65];
       sha256_init(&h);
       sha256_add(&h, bytes, len);      // any number of times
       sha256_hex(&h, hex);             // ends it */

#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __GNUC__
#define SHA256_FN static __attribute__((unused))
#else
#define SHA256_FN static
#endif

typedef struct {
    uint32_t state[8];
    uint64_t len;
    uint8_t block[64];
} sha256;

SHA256_FN void sha256_init(sha256 *h)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                      0xa54ff53a, 0x510e527f, 0x9b05688c,
                                      0x1f83d9ab, 0x5be0cd19};

    memcpy(h->state, start, sizeof start);
    h->len = 0;
}

SHA256_FN uint32_t sha256__rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

SHA256_FN void sha256__compress(uint32_t s[8], const uint8_t *b)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
        0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
        0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7,
        0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
        0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152,
        0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
        0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
        0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64], v[8], t1, t2, x;
    unsigned i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)b[4 * i] << 24 | (uint32_t)b[4 * i + 1] << 16 |
               (uint32_t)b[4 * i + 2] << 8 | b[4 * i + 3];
    for (; i < 64; i++) {
        x = w[i - 15];
        t1 = sha256__rotate(x, 7) ^ sha256__rotate(x, 18) ^ x >> 3;
        x = w[i - 2];
        t2 = sha256__rotate(x, 17) ^ sha256__rotate(x, 19) ^ x >> 10;
        w[i] = w[i - 16] + t1 + w[i - 7] + t2;
    }
    memcpy(v, s, sizeof v);
    for (i = 0; i < 64; i++) {
        x = v[4];
        t1 = v[7] + k[i] + w[i] + ((x & v[5]) ^ (~x & v[6])) +
             (sha256__rotate(x, 6) ^ sha256__rotate(x, 11) ^
              sha256__rotate(x, 25));
        x = v[0];
        t2 = ((x & v[1]) ^ (x & v[2]) ^ (v[1] & v[2])) +
             (sha256__rotate(x, 2) ^ sha256__rotate(x, 13) ^
              sha256__rotate(x, 22));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (i = 0; i < 8; i++)
        s[i] += v[i];
}

SHA256_FN void sha256_add(sha256 *h, const void *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    size_t at, n;

    for (; len > 0; p += n, len -= n, h->len += n) {
        at = (size_t)(h->len % 64);
        n = 64 - at < len ? 64 - at : len;
        memcpy(h->block + at, p, n);
        if (at + n == 64)
            sha256__compress(h->state, h->block);
    }
}

SHA256_FN void sha256_end(sha256 *h, uint8_t digest[32])
{
    uint64_t bits = h->len * 8;
    uint8_t tail[72] = {0x80};
    size_t pad = 64 - (size_t)((h->len + 8) % 64), i; /* 1 to 64 */

    for (i = 0; i < 8; i++)
        tail[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(h, tail, pad + 8);
    for (i = 0; i < 32; i++)
        digest[i] = (uint8_t)(h->state[i / 4] >> (24 - i % 4 * 8));
}

SHA256_FN void sha256_hex(sha256 *h, char hex[65])
{
    uint8_t digest[32];
    int i;

    sha256_end(h, digest);
    for (i = 0; i < 64; i++)
        hex[i] = "0123456789abcdef"[digest[i / 2] >> (i & 1 ? 0 : 4) & 15];
    hex[64] = 0;
}

#endif /* SHA256_H */
