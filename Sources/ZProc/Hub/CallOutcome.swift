// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import ZProcCore

/// What became of a call that ended with an error.
public enum CallOutcome: String, Hashable, Sendable, CaseIterable {
    /// It has not left this process, or the other side refused it: nothing was done.
    case notSent
    /// It was sent, and no answer came: it may or may not have been done.
    case unknown
    /// It was carried out there, and failed.
    case failed

    /// What became of the call that threw `error`.
    public init(of error: any Error) {
        switch error {
        case let error as TransportError:
            self = error.code == .peerGone || error.code == .malformed ? .unknown : .notSent
        case let error as CallError:
            switch error.code {
            case .deadlineExceeded: self = .unknown
            case .badResult: self = .failed
            default: self = .notSent
            }
        case is CancellationError: self = .unknown
        default: self = .failed
        }
    }
}
