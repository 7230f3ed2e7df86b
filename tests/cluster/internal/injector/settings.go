// Package injector stands in for the mutating webhook that gives pods their AWS identity on EKS.
//
// It is written from what that webhook is seen and documented to do, and its tests hold it to recorded reviews.
package injector

import "math/rand/v2"

// Settings are what the injector is configured with by flags.
type Settings struct {
	// Prefix is the domain of the annotations and labels.
	Prefix string
	// Audience of the token for AssumeRoleWithWebIdentity, where the service account names none.
	Audience string
	// Region is written into containers that name none; empty: none is written.
	Region string
	// RegionalSTS is whether AWS_STS_REGIONAL_ENDPOINTS is written where the service account does not say.
	RegionalSTS bool
	// Expiration of the token in seconds, where neither the pod nor the service account says.
	Expiration int64
	// Spread gives a number from 0 to its argument: by so much a Pod Identity token of a whole day is shortened.
	Spread func(limit int64) int64
}

// Recorded are the settings of the cluster whose reviews the tests have.
func Recorded() Settings {
	return Settings{
		Prefix:      "eks.amazonaws.com",
		Audience:    "sts.amazonaws.com",
		Region:      "us-west-2",
		RegionalSTS: true,
		Expiration:  day,
		Spread:      func(limit int64) int64 { return rand.Int64N(limit + 1) },
	}
}

const (
	day = 24 * 60 * 60
	// The API server accepts no shorter life of a projected token.
	shortest = 10 * 60
	// A Pod Identity token of exactly a day gets between 22 and 24 hours, so that not all are renewed at once.
	spread = 2 * 60 * 60
)

func (s Settings) key(name string) string { return s.Prefix + "/" + name }
