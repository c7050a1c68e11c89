// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

@inline(never) private func ten(_ first: Int) -> (Int, Int, Int, Int, Int, Int, Int, Int, Int, String) {
    (first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7, first + 8, "\(first + 9)")
}

/// A closure that captures 180 integers and 20 strings.
func twoHundred(_ traveller: any Traveller) async throws {
    let (a0, a1, a2, a3, a4, a5, a6, a7, a8, a9) = ten(0)
    let (b0, b1, b2, b3, b4, b5, b6, b7, b8, b9) = ten(10)
    let (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9) = ten(20)
    let (d0, d1, d2, d3, d4, d5, d6, d7, d8, d9) = ten(30)
    let (e0, e1, e2, e3, e4, e5, e6, e7, e8, e9) = ten(40)
    let (f0, f1, f2, f3, f4, f5, f6, f7, f8, f9) = ten(50)
    let (g0, g1, g2, g3, g4, g5, g6, g7, g8, g9) = ten(60)
    let (h0, h1, h2, h3, h4, h5, h6, h7, h8, h9) = ten(70)
    let (i0, i1, i2, i3, i4, i5, i6, i7, i8, i9) = ten(80)
    let (j0, j1, j2, j3, j4, j5, j6, j7, j8, j9) = ten(90)
    let (k0, k1, k2, k3, k4, k5, k6, k7, k8, k9) = ten(100)
    let (l0, l1, l2, l3, l4, l5, l6, l7, l8, l9) = ten(110)
    let (m0, m1, m2, m3, m4, m5, m6, m7, m8, m9) = ten(120)
    let (n0, n1, n2, n3, n4, n5, n6, n7, n8, n9) = ten(130)
    let (o0, o1, o2, o3, o4, o5, o6, o7, o8, o9) = ten(140)
    let (p0, p1, p2, p3, p4, p5, p6, p7, p8, p9) = ten(150)
    let (q0, q1, q2, q3, q4, q5, q6, q7, q8, q9) = ten(160)
    let (r0, r1, r2, r3, r4, r5, r6, r7, r8, r9) = ten(170)
    let (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9) = ten(180)
    let (t0, t1, t2, t3, t4, t5, t6, t7, t8, t9) = ten(190)
    let sum = try await traveller.call {
        var sum = 0
        sum += a0 + a1 + a2 + a3 + a4
        sum += a5 + a6 + a7 + a8 + (Int(a9) ?? 0)
        sum += b0 + b1 + b2 + b3 + b4
        sum += b5 + b6 + b7 + b8 + (Int(b9) ?? 0)
        sum += c0 + c1 + c2 + c3 + c4
        sum += c5 + c6 + c7 + c8 + (Int(c9) ?? 0)
        sum += d0 + d1 + d2 + d3 + d4
        sum += d5 + d6 + d7 + d8 + (Int(d9) ?? 0)
        sum += e0 + e1 + e2 + e3 + e4
        sum += e5 + e6 + e7 + e8 + (Int(e9) ?? 0)
        sum += f0 + f1 + f2 + f3 + f4
        sum += f5 + f6 + f7 + f8 + (Int(f9) ?? 0)
        sum += g0 + g1 + g2 + g3 + g4
        sum += g5 + g6 + g7 + g8 + (Int(g9) ?? 0)
        sum += h0 + h1 + h2 + h3 + h4
        sum += h5 + h6 + h7 + h8 + (Int(h9) ?? 0)
        sum += i0 + i1 + i2 + i3 + i4
        sum += i5 + i6 + i7 + i8 + (Int(i9) ?? 0)
        sum += j0 + j1 + j2 + j3 + j4
        sum += j5 + j6 + j7 + j8 + (Int(j9) ?? 0)
        sum += k0 + k1 + k2 + k3 + k4
        sum += k5 + k6 + k7 + k8 + (Int(k9) ?? 0)
        sum += l0 + l1 + l2 + l3 + l4
        sum += l5 + l6 + l7 + l8 + (Int(l9) ?? 0)
        sum += m0 + m1 + m2 + m3 + m4
        sum += m5 + m6 + m7 + m8 + (Int(m9) ?? 0)
        sum += n0 + n1 + n2 + n3 + n4
        sum += n5 + n6 + n7 + n8 + (Int(n9) ?? 0)
        sum += o0 + o1 + o2 + o3 + o4
        sum += o5 + o6 + o7 + o8 + (Int(o9) ?? 0)
        sum += p0 + p1 + p2 + p3 + p4
        sum += p5 + p6 + p7 + p8 + (Int(p9) ?? 0)
        sum += q0 + q1 + q2 + q3 + q4
        sum += q5 + q6 + q7 + q8 + (Int(q9) ?? 0)
        sum += r0 + r1 + r2 + r3 + r4
        sum += r5 + r6 + r7 + r8 + (Int(r9) ?? 0)
        sum += s0 + s1 + s2 + s3 + s4
        sum += s5 + s6 + s7 + s8 + (Int(s9) ?? 0)
        sum += t0 + t1 + t2 + t3 + t4
        sum += t5 + t6 + t7 + t8 + (Int(t9) ?? 0)
        return sum
    }
    try expect(sum, (0..<200).reduce(0, +))
}
