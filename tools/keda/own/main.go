// Prints what KEDA's own scaler for Kafka wants, once for each line that it reads.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	v2 "k8s.io/api/autoscaling/v2"

	"github.com/kedacore/keda/v2/pkg/scalers"
	"github.com/kedacore/keda/v2/pkg/scalers/scalersconfig"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run reads a list of triggers, each its metadata, and makes a scaler of each. Each further line is one look.
func run(ctx context.Context) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	var triggers []map[string]string
	if err := json.Unmarshal(lines.Bytes(), &triggers); err != nil {
		return fmt.Errorf("triggers: %w", err)
	}
	made := make([]scalers.Scaler, len(triggers))
	for number, metadata := range triggers {
		scaler, err := scalers.NewKafkaScaler(ctx, &scalersconfig.ScalerConfig{
			TriggerMetadata: metadata, GlobalHTTPTimeout: 3 * time.Second, TriggerIndex: number,
		})
		if err != nil {
			return fmt.Errorf("trigger %d: %w", number, err)
		}
		defer scaler.Close(ctx)
		made[number] = scaler
	}
	for lines.Scan() {
		looks := make([]look, len(made))
		for number, scaler := range made {
			target := scaler.GetMetricSpecForScaling(ctx)[0].External
			values, active, err := scaler.GetMetricsAndActivity(ctx, target.Metric.Name)
			if err != nil {
				return fmt.Errorf("look of trigger %d: %w", number, err)
			}
			looks[number] = look{values[0].Value.AsApproximateFloat64(), average(target.Target), active}
		}
		if err := json.NewEncoder(os.Stdout).Encode(looks); err != nil {
			return err
		}
	}
	return lines.Err()
}

type look struct {
	Lag    float64 `json:"lag"`
	Target float64 `json:"target"`
	Active bool    `json:"active"`
}

func average(target v2.MetricTarget) float64 {
	return target.AverageValue.AsApproximateFloat64()
}
