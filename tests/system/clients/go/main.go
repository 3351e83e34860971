// Reads a usage list with the unmodified Go client of azure-sdk-for-go v68, which pages by itself. Takes the CA file as
// its argument and the question as JSON on standard input, prints the rows as JSON.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/services/preview/commerce/mgmt/2015-06-01-preview/commerce"
	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/date"
)

type question struct {
	URL, Token, Subscription, Granularity string
	Start, End                            date.Time
}

type token string

func (t token) OAuthToken() string { return string(t) }

type properties struct {
	SubscriptionID string      `json:"subscriptionId"`
	MeterID        string      `json:"meterId"`
	UsageStartTime string      `json:"usageStartTime"`
	UsageEndTime   string      `json:"usageEndTime"`
	InstanceData   string      `json:"instanceData"`
	Quantity       json.Number `json:"quantity"`
}

type row struct {
	Properties properties `json:"properties"`
}

func run(caFile string) error {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)

	client := commerce.NewUsageAggregatesClientWithBaseURI(asked.URL, asked.Subscription)
	client.Authorizer = autorest.NewBearerAuthorizer(token(asked.Token))
	client.Sender = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}

	details, context := true, context.Background()
	page, err := client.List(context, asked.Start, asked.End, &details, commerce.AggregationGranularity(asked.Granularity), "")
	rows, pages := []row{}, 0
	for ; err == nil && page.NotDone(); err = page.NextWithContext(context) {
		pages++
		for _, found := range page.Values() {
			sample := found.UsageSample
			rows = append(rows, row{properties{
				SubscriptionID: sample.SubscriptionID.String(),
				MeterID:        *sample.MeterID,
				UsageStartTime: sample.UsageStartTime.String(),
				UsageEndTime:   sample.UsageEndTime.String(),
				InstanceData:   *sample.InstanceData,
				Quantity:       json.Number(fmt.Sprint(*sample.Quantity)),
			}})
		}
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"pages": pages, "rows": rows})
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
