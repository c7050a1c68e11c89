// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import ZProc

/// How the program ends when it has not done what it was told to; the numbers are documented.
enum ExitStatus: Int32 {
    case failed = 1
    case unreachable = 2
    case forbidden = 3
    case usage = 64
}

/// Why a command failed, in one line for people.
struct Failure: Error, Equatable {
    var status: ExitStatus
    var message: String

    init(_ message: String, status: ExitStatus = .failed) {
        self.status = status
        self.message = message
    }

    /// What an error of the library means here.
    init(_ error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as TransportError:
            switch error.code {
            case .unreachable, .peerGone: self.init(error.message, status: .unreachable)
            case .refused: self.init(error.message, status: .forbidden)
            case .invalidEndpoint: self.init(error.message, status: .usage)
            default: self.init(error.message)
            }
        case let error as CallError:
            switch error.code {
            case .forbidden: self.init(error.message, status: .forbidden)
            case .deadlineExceeded: self.init(error.message, status: .unreachable)
            default: self.init(error.message)
            }
        case let error as StateError: self.init(error.message)
        case is CancellationError: self.init("interrupted")
        default: self.init(String(describing: error))
        }
    }

    /// What is printed: one line, in which nothing can steer a terminal.
    var line: String { "zproc: \(Text.printable(message))" }

    /// Ends the program; errors about the command line are the parser's to print.
    static func end(with error: any Error) -> Never {
        if ZProcCommand.exitCode(for: error) != .failure { ZProcCommand.exit(withError: error) }
        let failure = Failure(error)
        let line = Array("\(failure.line)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        exit(failure.status.rawValue)
    }
}
