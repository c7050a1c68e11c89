// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import FoundationEssentials
import ZProc

/// A picture of the Mandelbrot set, its rows drawn by a swarm, and by one loop to compare.
///
///     mandelbrot [--threads] [FILE.png [WIDTH]]
///
/// The rows through the middle of the picture cost many times what those at its edges do.
@main struct Mandelbrot {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("-") }
        let width = arguments.dropFirst().first.flatMap { Int($0) } ?? 360, height = width * 2 / 3
        let clock = ContinuousClock()

        var alone: [[UInt8]] = []
        let loopTime = clock.measure { alone = (0..<height).map { row($0, of: height, width: width) } }
        try await withContext(Backend.chosen) { context in
            let swarm = try context.swarm()
            // The first map also waits for the workers to start.
            try await swarm.forEach(0..<swarm.count) { _ in }
            var options = MapOptions()
            options.progress = .bar
            options.label = "drawing"
            var rows: [[UInt8]] = []
            let swarmTime = try await clock.measure {
                rows = try await swarm.map(0..<height, options: options) { row($0, of: height, width: width) }
            }
            try expect("picture", rows == alone)
            let picture = png(rows, width: width)
            print("\(width) x \(height): one loop \(loopTime), the swarm \(swarmTime)")
            guard let file = arguments.first else { return print("\(picture.count) bytes; name a file to keep it") }
            try Data(picture).write(to: URL(filePath: file))
            print("written to \(file)")
        }
    }
}

/// The grey values of one row: how soon the points of the plane escape.
func row(_ y: Int, of height: Int, width: Int) -> [UInt8] {
    let imaginary = (Double(y) / Double(height) - 0.5) * 2
    return (0..<width).map { x in
        let real = (Double(x) / Double(width) - 0.7) * 3
        var (a, b) = (0.0, 0.0)
        for step in 0..<1_000 {
            (a, b) = (a * a - b * b + real, 2 * a * b + imaginary)
            if a * a + b * b > 4 { return UInt8(255 - min(step * 8, 255)) }
        }
        return 0
    }
}

/// An image file of grey rows, not compressed.
func png(_ rows: [[UInt8]], width: Int) -> [UInt8] {
    let size = bytes(UInt32(width)) + bytes(UInt32(rows.count))
    // Each row begins with the number of its filter: none.
    let pixels: [UInt8] = rows.flatMap { row -> [UInt8] in [0] + row }
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        + chunk("IHDR", size + [8, 0, 0, 0, 0]) + chunk("IDAT", stored(pixels)) + chunk("IEND", [])
}

private func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + content
    var sum = UInt32.max
    for byte in body {
        sum ^= UInt32(byte)
        for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return bytes(UInt32(content.count)) + body + bytes(~sum)
}

/// A stream of zlib's whose blocks are stored as they are.
private func stored(_ content: [UInt8]) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x01], (a, b): (UInt32, UInt32) = (1, 0), rest = content[...]
    repeat {
        let block = rest.prefix(65_535), count = UInt16(block.count)
        rest = rest.dropFirst(block.count)
        stream.append(rest.isEmpty ? 1 : 0)
        for number in [count, ~count] { stream += [UInt8(number & 255), UInt8(number >> 8)] }
        stream += block
    } while !rest.isEmpty
    for byte in content {
        a = (a + UInt32(byte)) % 65_521
        b = (b + a) % 65_521
    }
    return stream + bytes(b << 16 | a)
}

private func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
