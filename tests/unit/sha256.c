/* SHA-256 against the examples of FIPS 180 and of NIST's CAVP files */

#include "test.h"
#include "sha256.h"

static char hex[65];

static const char *of(const void *bytes, size_t len)
{
    sha256 h;

    sha256_init(&h);
    sha256_add(&h, bytes, len);
    sha256_hex(&h, hex);
    return hex;
}

TEST(fips180_one_block)
{
    CHECK_STR(of("abc", 3), "ba7816bf8f01cfea414140de5dae2223"
                            "b00361a396177a9cb410ff61f20015ad");
}

TEST(fips180_two_blocks)
{
    CHECK_STR(
        of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(fips180_896_bits)
{
    CHECK_STR(
        of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
           "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
           112),
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST(fips180_a_million_a)
{
    sha256 h;
    char a[1000];
    int i;

    memset(a, 'a', sizeof a);
    sha256_init(&h);
    for (i = 0; i < 1000; i++)
        sha256_add(&h, a, sizeof a);
    sha256_hex(&h, hex);
    CHECK_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
                   "f1809a48a497200e046d39ccc7112cd0");
}

TEST(cavp_empty)
{
    CHECK_STR(of("", 0), "e3b0c44298fc1c149afbf4c8996fb924"
                         "27ae41e4649b934ca495991b7852b855");
}

TEST(cavp_one_byte)
{
    CHECK_STR(of("\xd3", 1), "28969cdfa74a12c82f3bad960b0b000a"
                             "ca2ac329deea5c2328ebc6f2ba9802c1");
}

/* However the message is cut, and at every length around a block's end,
   where the padding needs one block more. */
TEST(pieces_do_not_matter)
{
    uint8_t m[200];
    char whole[65];
    sha256 h;
    size_t len, cut;

    for (len = 0; len < sizeof m; len++)
        m[len] = (uint8_t)(len * 7);
    for (len = 0; len <= sizeof m; len++) {
        strcpy(whole, of(m, len));
        for (cut = 0; cut <= len; cut += 1 + cut / 8) {
            sha256_init(&h);
            sha256_add(&h, m, cut);
            sha256_add(&h, m + cut, len - cut);
            sha256_hex(&h, hex);
            CONTEXT("length %lu cut at %lu", (unsigned long)len,
                    (unsigned long)cut);
            CHECK_STR(hex, whole);
        }
    }
}

/* 55, 56, 63 and 64 zero bytes: the edges of the padding */
TEST(padding_edges)
{
    static const uint8_t zero[64] = {0};

    CHECK_STR(of(zero, 55), "02779466cdec163811d078815c633f21"
                            "901413081449002f24aa3e80f0b88ef7");
    CHECK_STR(of(zero, 56), "d4817aa5497628e7c77e6b606107042b"
                            "bba3130888c5f47a375e6179be789fbb");
    CHECK_STR(of(zero, 64), "f5a5fd42d16a20302798ef6ed309979b"
                            "43003d2320d9f0e8ea9831a92759fb4b");
}
