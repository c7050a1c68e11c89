// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Glibc

// `zproc-fuzz TARGET [OPTION OF LIBFUZZER…] [DIRECTORY…]`, or `zproc-fuzz seeds DIRECTORY` to write what it begins with.
// The program's main is libFuzzer's (llvm.org/docs/LibFuzzer.html), which calls the two functions here.

/// What is fed with bytes.
enum FuzzTarget: String, CaseIterable {
    case messagepack, envelope, hub, text

    /// Takes any bytes; whatever they are, the process lives on, and what is true of every input is checked.
    ///
    /// - Parameter bytes: the input.
    /// - Returns: whether it is worth keeping.
    func run(_ bytes: [UInt8]) -> Bool {
        switch self {
        case .messagepack: MessagePackTarget.run(bytes)
        case .envelope: EnvelopeTarget.run(bytes)
        case .hub: HubTarget.shared.run(bytes)
        case .text: TextTarget.run(bytes)
        }
    }

    /// Inputs to begin with, by name.
    var seeds: [String: [UInt8]] {
        get throws {
            switch self {
            case .messagepack: try MessagePackTarget.seeds
            case .envelope: EnvelopeTarget.seeds
            case .hub: try HubTarget.seeds
            case .text: try TextTarget.seeds
            }
        }
    }

    /// Set before the first input.
    nonisolated(unsafe) static var chosen = FuzzTarget.messagepack
}

/// Takes the first argument away and does what it says.
@_cdecl("LLVMFuzzerInitialize")
func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    guard count.pointee > 1, let word = words.pointee[1] else { usage() }
    let name = String(cString: word)
    if name == "seeds", count.pointee == 3, let directory = words.pointee[2] {
        do {
            try writeSeeds(to: String(cString: directory))
            exit(0)
        } catch {
            preconditionFailure("\(error)")
        }
    }
    guard let target = FuzzTarget(rawValue: name) else { usage() }
    FuzzTarget.chosen = target
    words.pointee[1] = words.pointee[0]
    words.pointee += 1
    count.pointee -= 1
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func run(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzTarget.chosen.run(Array(UnsafeBufferPointer(start: start, count: count))) ? 0 : -1
}

private func usage() -> Never {
    let targets = FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")
    print("usage: zproc-fuzz \(targets) [option of libFuzzer…] [directory…], or zproc-fuzz seeds directory")
    exit(64)
}

private func writeSeeds(to directory: String) throws {
    for target in FuzzTarget.allCases {
        mkdir("\(directory)/\(target)", 0o755)
        for (name, bytes) in try target.seeds {
            guard let file = fopen("\(directory)/\(target)/\(name)", "w") else {
                throw Failure("\(name) cannot be written: error \(errno)")
            }
            fwrite(bytes, 1, bytes.count, file)
            fclose(file)
        }
    }
}

/// Something that should hold did not.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
